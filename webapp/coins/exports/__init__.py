"""Exports: tables as files, for spreadsheets and for programs.

`tables` says what can be exported, and reads it. `formats` lists the formats: `xlsx`, `csv` and `json` write them.
`files` writes a whole file before anything of it is sent or named.
"""
