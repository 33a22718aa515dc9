"""The programs that measure, each with `measure(options)`, whose result JSON holds, and `section(result)` of the page."""
