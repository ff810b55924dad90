"""How fast a trained run answers over HTTP: together and one at a time, a cold text and a click, type-ahead."""
