"""Students: models behind a server, folders of replies, a case's own solution. No module here parses a reply for a
kernel.
"""
