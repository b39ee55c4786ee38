"""Parses the texts of a configuration document into frozen values, or into a list of all errors.

Pure: no files, no clock. A document is accepted or rejected as a whole, and each error says what to
write. It knows neither the source of a text nor the users of the values.
"""
