#!/usr/bin/python3
"""Prints the runs that `compare.py --out FILE` wrote as a Markdown table: medians, and this server's ratio to vsftpd and to
the best of the others, each the median of the rounds' ratios."""
import json
import statistics
import sys

from compare import TESTS


def number(value, key):
    return f"{value:,.2f}" if key == "GiBps" else f"{value:,.1f}" if key == "p50_us" else f"{value:,.0f}"


def main():
    runs = {}
    for line in open(sys.argv[1]):
        run = json.loads(line)
        runs.setdefault(run["test"], {}).setdefault(run["name"], {})[run["round"]] = run
    names = list(dict.fromkeys(name for test in runs.values() for name in test))
    others = [name for name in names if name != "ffs"]
    print(f"| what | {' | '.join(others)} | **ffsftpd** | × {others[0]} | × best |\n|{'---|' * (len(names) + 3)}")
    for test, by_name in runs.items():
        key, title = TESTS[test][1:]
        good = {name: {turn: run[key] for turn, run in rounds.items() if "error" not in run}
                for name, rounds in by_name.items()}
        medians = {name: statistics.median(values.values()) for name, values in good.items() if values}
        better = min if key == "p50_us" else max
        best = better((name for name in others if name in medians), key=medians.get)
        cells = [number(medians[name], key) if name in medians else "–" for name in [*others, "ffs"]]

        def ratio(other):
            pairs = [good["ffs"][turn] / value for turn, value in good[other].items() if turn in good["ffs"]]
            return f"{statistics.median(pairs):.2f}" if pairs else "–"

        print(f"| {title} | {' | '.join(cells[:-1])} | **{cells[-1]}** | {ratio(others[0])} | {ratio(best)} ({best}) |")


if __name__ == "__main__":
    main()
