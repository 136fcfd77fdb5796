#!/usr/bin/python3
"""Draws what compare.py measured: one row a client, one mark a command. JSON in, SVG out.

    compare.py --json healing.json && plot.py healing.json docs/self-healing.svg
"""
import json
import sys
from html import escape

WIDTH, LEFT, RIGHT, TOP, ROW, BOTTOM = 860, 200, 20, 46, 46, 44
OK, FAILED, HOLE, INK, FAINT = "#2a7f4f", "#c0392b", "#f6e3c5", "#222222", "#999999"


def text(x, y, words, size=13, anchor="start", colour=INK):
    return (f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" '
            f'fill="{colour}">{escape(words)}</text>')


def mark(sample, x_of, y):
    """A bar from the begin of the command to its end; failures are short and low."""
    x = x_of(sample["begin"])
    width = max(2.0, x_of(sample["end"]) - x)
    if sample["error"]:
        return f'<rect x="{x:.1f}" y="{y + 8:.1f}" width="{width:.1f}" height="8" fill="{FAILED}"/>'
    return f'<rect x="{x:.1f}" y="{y - 10:.1f}" width="{width:.1f}" height="26" fill="{OK}"/>'


def draw(result):
    clients, given, whole = result["clients"], result["given"], result["whole"]
    end = whole + result["seconds"]
    height = TOP + ROW * len(clients) + BOTTOM

    def x_of(seconds):
        return LEFT + (WIDTH - LEFT - RIGHT) * min(seconds, end) / end

    bottom = TOP + ROW * len(clients)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
           f'width="{WIDTH}" height="{height}" font-family="sans-serif">',
           f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
           f'<rect x="{x_of(0):.1f}" y="{TOP - 14}" width="{x_of(given) - x_of(0):.1f}" '
           f'height="{bottom - TOP + 14}" fill="{HOLE}"/>',
           text(x_of(0) - 12, TOP - 20, "slots of nobody", anchor="end"),
           text(x_of(given) + 4, TOP - 20, "given back: the cluster is whole again")]
    for i, client in enumerate(clients):
        y = TOP + ROW * i + ROW / 2
        name, _, rest = client["name"].partition(" (")
        out.append(text(LEFT - 12, y + (0 if rest else 6), name, anchor="end"))
        if rest:
            out.append(text(LEFT - 12, y + 15, rest.rstrip(")"), 11, "end", FAINT))
        out.extend(mark(sample, x_of, y) for sample in client["samples"])
    out.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{bottom}" y2="{bottom}" '
               f'stroke="{INK}"/>')
    for second in range(0, int(end) + 1, 2):
        out.append(text(x_of(second), bottom + 16, f"{second}", 11, "middle"))
    out.append(text(WIDTH - RIGHT, bottom + 34, "seconds; green: answered, red: failed", 11, "end"))
    out.append("</svg>\n")
    return "\n".join(out)


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    with open(sys.argv[1], encoding="utf-8") as file:
        result = json.load(file)
    with open(sys.argv[2], "w", encoding="utf-8") as file:
        file.write(draw(result))


if __name__ == "__main__":
    main()
