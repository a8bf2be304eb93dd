"""Reads texts: Markdown, YAML frontmatter, expressions, identifiers; suggests spellings."""
