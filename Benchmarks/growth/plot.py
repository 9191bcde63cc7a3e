#!/usr/bin/env python3
"""Draws bench-growth's lines of JSON as curves: plot.py LINES DIRECTORY writes growth-<group>.svg there.

Both axes are logarithmic; a flat curve is a question that does not notice how much there is."""
import json
import math
import sys

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 860, 460, 70, 230, 30, 50
COLOURS = ["#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#17becf", "#8c564b", "#e377c2", "#7f7f7f", "#bcbd22",
           "#393b79", "#637939", "#843c39", "#7b4173"]


def decades(low, high):
    return [10.0**n for n in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)]


def draw(group, curves):
    sizes = decades(*(f(size for curve in curves.values() for size, _ in curve) for f in (min, max)))
    times = decades(*(f(max(time, 0.001) for curve in curves.values() for _, time in curve) for f in (min, max)))

    def place(value, scale, start, length):
        low, high = math.log10(scale[0]), math.log10(scale[-1])
        return start + (math.log10(value) - low) / max(high - low, 1e-9) * length

    def x(size):
        return place(size, sizes, LEFT, WIDTH - LEFT - RIGHT)

    def y(time):
        return HEIGHT - place(max(time, 0.001), times, BOTTOM, HEIGHT - TOP - BOTTOM)

    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
           f'<title>{group}: milliseconds (p50) as everybody\'s things grow</title>',
           f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>']
    for time in times:
        out.append(f'<path d="M{LEFT} {y(time):.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>'
                   f'<text x="{LEFT - 6}" y="{y(time) + 4:.1f}" text-anchor="end">{time:g} ms</text>')
    for size in sizes:
        out.append(f'<path d="M{x(size):.1f} {TOP}V{HEIGHT - BOTTOM}" stroke="#ddd"/>'
                   f'<text x="{x(size):.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{size:,.0f}</text>')
    # Names beside the last points, pushed apart where they would cover each other.
    ends = sorted((y(curve[-1][1]), name) for name, curve in curves.items())
    labels, last = {}, 0.0
    for height, name in ends:
        last = max(height + 4, last + 14)
        labels[name] = last
    for colour, (name, curve) in zip(COLOURS * 3, curves.items()):
        points = " ".join(f"{x(size):.1f},{y(time):.1f}" for size, time in curve)
        out.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        out += [f'<circle cx="{x(size):.1f}" cy="{y(time):.1f}" r="3" fill="{colour}"/>' for size, time in curve]
        out.append(f'<text x="{WIDTH - RIGHT + 10}" y="{labels[name]:.1f}" fill="{colour}">{name} {curve[-1][1]:.2g} ms</text>')
    return "\n".join(out + ["</svg>", ""])


def main():
    groups = {}
    with open(sys.argv[1], encoding="utf-8") as lines:
        for line in map(json.loads, filter(str.strip, lines)):
            groups.setdefault(line["group"], {}).setdefault(line["what"], []).append((line["size"], line["p50"]))
    for group, curves in groups.items():
        if all(len(curve) > 1 for curve in curves.values()):
            with open(f"{sys.argv[2]}/growth-{group}.svg", "w", encoding="utf-8") as picture:
                picture.write(draw(group, {name: sorted(curve) for name, curve in curves.items()}))


if __name__ == "__main__":
    main()
