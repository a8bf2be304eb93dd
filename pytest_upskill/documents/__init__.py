"""Reading text: Markdown, YAML frontmatter, expressions, identifiers, spelling."""
