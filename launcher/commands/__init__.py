"""One module a subcommand of `lmmtc`: from its arguments to what it prints."""
