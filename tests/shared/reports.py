"""Shared by the tests of reports: a page as its reader sees it, and what is planted in records."""

from datetime import UTC, datetime
from html.parser import HTMLParser

from figures.report.page import report

EVIL = '<script>alert("x")</script>&\'<img src=http://evil>'
PROMISE = "fidelity>=0.9 in layers 1"
TIME = datetime(2026, 1, 2, tzinfo=UTC)


class Page(HTMLParser):
    """Tags, attributes and text of a page, and its tables by name: dictionaries from heading to (text, value)."""

    def __init__(self, html):
        super().__init__()
        self.open, self.seen, self.attributes, self.text, self.tables, self.cell = [], [], [], [], {}, None
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        about = dict(attrs)
        self.seen.append(tag)
        self.attributes += attrs
        if tag not in ("meta", "img"):
            self.open.append(tag)
        if tag == "table":
            self.table = self.tables.setdefault(about["data-table"], [])
            self.table.append([])
        elif tag == "tr":
            self.table[-1].append([])
        elif tag in ("td", "th"):
            self.cell = ["", about.get("data-value")]
            self.table[-1][-1].append(self.cell)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag
        if tag in ("td", "th"):
            self.cell = None

    def handle_data(self, data):
        self.text.append(data)
        if self.cell is not None:
            self.cell[0] += data

    def rows(self, name, number=0):
        """Rows of a table: values of numbers, else texts."""
        head, *body = self.tables[name][number]
        names = [text for text, _ in head]
        return [
            dict(zip(names, (text if value is None else float(value) for text, value in row), strict=True))
            for row in body
        ]


def read(folder):
    return Page(report(folder, TIME).html)


def tops(folder):
    return [(each.tone, each.said) for each in report(folder, TIME).verdicts]


def alter(path, old, new):
    content = path.read_text()
    assert old in content
    path.write_text(content.replace(old, new, 1))
