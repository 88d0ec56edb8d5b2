#!/usr/bin/env python3
"""Draws the life of a daemon: the launcher, the two forks, the lock, readiness and stop.

    python3 docs/life-cycle.py            # writes life-cycle.svg and life-cycle.md beside this file
    python3 docs/life-cycle.py --check    # fails if they differ from what would be written

README.md shows the SVG. The Markdown file defines the same image for rustdoc, as a data URI, because a relative link
to a file does not work on docs.rs; src/lib.rs includes it.
"""

import base64
import pathlib
import sys
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 920, 640

# The picture has a background of its own, so it reads the same on light and on dark pages.
CARD, FRAME, INK, FAINT = "#ffffff", "#d0d7de", "#1f2328", "#59636e"
COMMAND, CHILD, DAEMON, LOCK = "#0969da", "#8250df", "#1a7f37", "#9a6700"

# The lanes, from left to right.
SHELL, FIRST, LIFE, HELD = 150, 400, 560, 850

parts: list[str] = []


def text(x: int, y: int, words: str, *, anchor: str = "start", colour: str = INK, style: str = "") -> None:
    parts.append(f'<text x="{x}" y="{y}" text-anchor="{anchor}" fill="{colour}" {style}>{escape(words)}</text>')


def bold(x: int, y: int, words: str, colour: str, anchor: str = "middle") -> None:
    text(x, y, words, anchor=anchor, colour=colour, style='font-weight="600"')


def code(x: int, y: int, words: str, anchor: str = "middle", colour: str = INK) -> None:
    text(x, y, words, anchor=anchor, colour=colour, style='font-family="ui-monospace, DejaVu Sans Mono, monospace"')


def bar(x: int, top: int, bottom: int, colour: str, width: int = 14) -> None:
    left = x - width // 2
    parts.append(f'<rect x="{left}" y="{top}" width="{width}" height="{bottom - top}" rx="4" fill="{colour}"/>')


def arrow(start: int, end: int, y: int, words: str, colour: str, *, dashed: bool = False) -> None:
    """An arrow between the edges of two bars, with its words above the middle."""
    direction = 1 if end > start else -1
    start, end = start + 9 * direction, end - 9 * direction
    dash = ' stroke-dasharray="6 4"' if dashed else ""
    head = end - 9 * direction
    parts.append(f'<path d="M{start} {y}H{head}" stroke="{colour}" stroke-width="2" fill="none"{dash}/>')
    parts.append(f'<path d="M{end} {y}L{head} {y - 5}V{y + 5}Z" fill="{colour}"/>')
    text((start + end) // 2, y - 7, words, anchor="middle", colour=colour)


def lanes() -> None:
    bold(SHELL, 40, "your shell", COMMAND)
    bold(FIRST, 40, "first child", CHILD)
    bold(LIFE, 40, "daemon", DAEMON)
    bold(HELD, 40, "pidfile", LOCK)
    for x in (SHELL, FIRST, LIFE, HELD):
        parts.append(f'<path d="M{x} 52V{HEIGHT - 26}" stroke="{FRAME}" stroke-width="1" stroke-dasharray="2 4"/>')


def start() -> None:
    code(SHELL, 76, "$ hello start")
    bar(SHELL, 86, 330, COMMAND)
    text(SHELL - 16, 108, "the launcher", anchor="end", colour=FAINT)
    text(SHELL - 16, 126, "checks the keys", anchor="end", colour=FAINT)
    arrow(SHELL, FIRST, 120, "first fork", COMMAND)
    bar(FIRST, 114, 186, CHILD)
    text(FIRST - 16, 148, "makes a session", anchor="end", colour=FAINT)
    text(FIRST - 16, 166, "and leads it", anchor="end", colour=FAINT)
    arrow(FIRST, LIFE, 166, "second fork", CHILD)
    text(FIRST, 204, "exits", anchor="middle", colour=FAINT)
    text(SHELL + 16, 250, "waits", colour=FAINT)

    bar(LIFE, 160, 586, DAEMON)
    text(LIFE + 16, 180, "sets signals, umask, descriptors")
    arrow(LIFE, HELD, 216, "takes the lock, writes its PID", LOCK)
    bar(HELD, 210, 586, LOCK)
    text(LIFE + 16, 246, "opens its logs")
    text(LIFE + 16, 266, "enters its directory, drops root")
    text(LIFE + 16, 286, "installs its handlers")
    arrow(LIFE, SHELL, 318, "ready, or the reason why not", DAEMON)
    code(SHELL, 352, "hello: started (pid 42)")

    bold(LIFE + 16, 352, "the body runs", DAEMON, anchor="start")
    text(HELD + 18, 400, "locked", colour=LOCK, style=f'transform="rotate(90 {HELD + 14} 400)"')


def stop() -> None:
    code(SHELL, 416, "$ hello stop")
    bar(SHELL, 426, 596, COMMAND)
    arrow(SHELL, HELD, 446, "", COMMAND, dashed=True)
    text((SHELL + FIRST) // 2 + 70, 439, "asks the kernel: who holds the lock?", anchor="middle", colour=COMMAND)
    arrow(SHELL, LIFE, 492, "pins that process, sends SIGTERM", COMMAND)
    text(SHELL + 16, 540, "waits; SIGKILL after stop_timeout", colour=FAINT)
    text(LIFE + 16, 520, "the body ends")
    arrow(LIFE, HELD, 556, "removes the pidfile", LOCK)
    arrow(LIFE, SHELL, 580, "has exited", DAEMON)
    code(SHELL, 616, "hello: stopped (pid 42)")


def picture() -> str:
    lanes()
    start()
    stop()
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'role="img" font-family="system-ui, -apple-system, Segoe UI, DejaVu Sans, sans-serif" font-size="14">'
    )
    card = f'<rect x="1" y="1" width="{WIDTH - 2}" height="{HEIGHT - 2}" rx="8" fill="{CARD}" stroke="{FRAME}"/>'
    return "\n".join([head, "<title>The life of a daemon</title>", card, *parts, "</svg>\n"])


def main() -> int:
    svg = picture()
    uri = "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()
    here = pathlib.Path(__file__).resolve().parent
    files = {here / "life-cycle.svg": svg, here / "life-cycle.md": f"[life-cycle]: {uri}\n"}
    if sys.argv[1:] == ["--check"]:
        stale = [path.name for path, wanted in files.items() if not path.exists() or path.read_text() != wanted]
        if stale:
            print(f"out of date: {', '.join(stale)}; run python3 docs/life-cycle.py", file=sys.stderr)
        return bool(stale)
    for path, wanted in files.items():
        path.write_text(wanted)
    return 0


if __name__ == "__main__":
    sys.exit(main())
