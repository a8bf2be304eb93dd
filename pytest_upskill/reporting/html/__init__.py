"""The HTML report: one file that needs no network. Its script shows a model's text as text only, never as markup."""
