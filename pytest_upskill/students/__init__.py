"""Students: models behind a server, folders of replies, a case's own solution. A reply is only ever text here."""
