#!/usr/bin/env python3
"""Draws docs/pictures/layers.svg: the folders, and what passes between them."""
import pathlib

WIDTH, HEIGHT = 900, 470
INK, SOFT, PAPER = "#1f2933", "#52606d", "#ffffff"
CLIENT, NODE, SHARED = "#d6e9f8", "#fde8c8", "#e6e9ec"


def box(x, y, w, h, fill, title, lines):
    parts = [f'<rect x="{x}" y="{y}" width="{w}" height="{h}" rx="8" fill="{fill}" stroke="{SOFT}"/>',
             f'<text x="{x + 14}" y="{y + 24}" class="t">{title}</text>']
    for i, line in enumerate(lines):
        parts.append(f'<text x="{x + 14}" y="{y + 46 + 18 * i}" class="s">{line}</text>')
    return parts


def arrow(x1, y1, x2, y2, text="", dx=8, dy=4):
    return [f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="{INK}" stroke-width="1.5" '
            'marker-end="url(#a)"/>',
            f'<text x="{(x1 + x2) / 2 + dx}" y="{(y1 + y2) / 2 + dy}" class="n">{text}</text>']


def main():
    svg = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
           f'font-family="sans-serif" role="img" aria-label="The layers of Keyway">',
           f'<rect width="{WIDTH}" height="{HEIGHT}" fill="{PAPER}"/>',
           f'<style>.t{{font-size:16px;font-weight:bold;fill:{INK}}}'
           f'.s{{font-size:13px;fill:{INK}}}.n{{font-size:12px;fill:{SOFT}}}</style>',
           f'<defs><marker id="a" markerWidth="9" markerHeight="9" refX="8" refY="4" orient="auto">'
           f'<path d="M0,0 L9,4 L0,8 z" fill="{INK}"/></marker></defs>']
    svg += box(20, 20, 860, 62, SHARED, "your program, the keyway command (src/tool)",
               ["include/keyway/keyway.h: one fd and one timeout for any event loop; or just kw_call"])
    svg += box(20, 130, 410, 62, CLIENT, "src/client", ["handles, sync calls, batches, options, URLs"])
    svg += box(470, 130, 410, 62, NODE, "src/lab", ["a cluster in one thread, with faults on demand"])
    svg += box(20, 240, 200, 100, CLIENT, "src/core/cluster*",
               ["the brain: routes, heals,", "orders, retries;", "no input, no output"])
    svg += box(350, 240, 200, 100, SHARED, "src/io",
               ["epoll, sockets, TLS,", "names: the only folder", "with system calls"])
    svg += box(680, 240, 200, 100, NODE, "src/node",
               ["one cluster node: judges", "and runs commands;", "no input, no output"])
    svg += box(20, 388, 860, 62, SHARED, "src/core (protocol), src/base",
               ["slot, resp, reply, command table, endpoint, limits; buffers, lists, timers, "
                "hash maps, seeded randomness"])
    svg += arrow(225, 82, 225, 128, "commands, replies")
    svg += arrow(675, 82, 675, 128, "kill, pause, migrate")
    svg += arrow(120, 192, 120, 238, "events, time: effects", 8)
    svg += arrow(330, 192, 400, 238, "bytes", 12)
    svg += arrow(570, 192, 500, 238, "bytes", 12)
    svg += arrow(780, 192, 780, 238, "commands: replies", -112)
    for x in (120, 450, 780):
        svg += arrow(x, 340, x, 386)
    svg.append("</svg>")
    path = pathlib.Path(__file__).with_name("layers.svg")
    path.write_text("\n".join(svg) + "\n", encoding="utf-8")


main()
