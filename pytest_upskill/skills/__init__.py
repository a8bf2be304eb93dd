"""SKILL.md: reading, validation, arms, disclosure."""
