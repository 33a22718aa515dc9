"""The programs that measure: `measure(options)` gives what JSON holds, `section(result)` its part of the page."""
