#!/usr/bin/env python3
"""Makes the page of bench/run.sh out of what the benchmarks printed.

  report.py RESULTS OUT MACHINE

RESULTS is a folder with one file for each benchmark that ran. Beside OUT go SVG files with bars of
what was measured, one for each benchmark that compares."""

import math
import pathlib
import re
import sys

TITLES = {
    "start": ("One container", "From the command to the first instruction of the program, and to its end, "
              "beside other OCI runtimes; and what a guard holds of memory.", "bench/start.sh"),
    "stacks": ("Stacks", "Independent services: `up -d`, a second `up -d` that has nothing to do, `ps` and "
               "`down`, in milliseconds.", "bench/stack50.sh"),
    "chains": ("Chains", "The same where each service needs the one before it.",
               "bench/stack50.sh --shapes chained"),
    "commands": ("Every day", "One container of a project, what supervises the project, and what an image takes of "
                 "the disk.", "bench/commands.sh"),
    "load": ("Reading files", "`davit config` of large projects.", "bench/load.sh"),
    "pull": ("Images", "`pull` and `load` beside others, and beside decompressing and unpacking alone.",
             "bench/pull.sh"),
    "build": ("Builds", "The first tutorial, the same without a change, and ten stages: without a network for the steps (buildah's are a chroot), and as `davit-net` with the one that a build has by default.", "bench/build.sh"),
    "ports": ("Many ports", "What 1,000 published ports cost.", "bench/ports.sh"),
    "forward": ("Through a port", "Requests, latency and throughput through a published port.",
                "bench/forward.sh"),
}
COLOURS = {"davit": "#1f6f8b", "docker": "#9a9a9a", "podman": "#d8a25e"}


def is_number(text):
    return text.replace(".", "", 1).isdigit()


# What is drawn of a benchmark: [(label of a group, [(who, value)])], in the order of its output.

def of_start(text):
    """Rows of "NAME FIRST LAST"; the time until the program runs."""
    rows = [line.split() for line in text.splitlines()]
    return [("until the program runs", [(row[0], float(row[1])) for row in rows
                                        if len(row) == 3 and is_number(row[1]) and is_number(row[2])])]


def of_table(text):
    """A Markdown table whose first columns are words, with a group for each row's first cell and column.
    Columns that are not in milliseconds have words in them and are left out."""
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")]
    if not cells:
        return []
    header, groups = cells[0], {}
    keys = header.index("engine") + 1
    for row in cells[2:]:
        for name, value in zip(header[keys:], row[keys:]):
            if is_number(value):
                what = f"{row[0]} service{'' if row[0] == '1' else 's'}: {name}" if keys == 2 else name
                what = what.replace("chained services", "in a chain")
                groups.setdefault(what, []).append((row[keys - 1], float(value)))
    return list(groups.items())


def of_pull(text):
    """Lines of "WHO WHAT... SECONDS s" behind "medians:", in milliseconds."""
    groups = {}
    for who, seconds in re.findall(r"^  (\S.*?) +([0-9.]+) s$", text.partition("medians:")[2], re.M):
        for what in ("pull", "load"):
            if re.search(rf"{what}|{'import' if what == 'load' else 'tar'}", who):
                groups.setdefault(what, []).append((who, float(seconds) * 1000))
    return list(groups.items())


def of_build(text):
    """A head of columns, two spaces apart at least, and rows of "WHO NUMBER...", as far as numbers are there."""
    lines = text.splitlines()
    names = re.split(r" {2,}", lines[0].strip())[1:]
    rows = [line.split() for line in lines[1:]]
    return [(name, [(row[0], float(row[index + 1])) for row in rows if len(row) == len(names) + 1 and is_number(row[index + 1])])
            for index, name in enumerate(names)]


def of_forward(text):
    """Rows of "ENGINE WAY REQUESTS ..."."""
    groups = {}
    for engine, way, requests in re.findall(r"^(\w+) (direct|published) +([0-9.]+)", text, re.M):
        groups.setdefault({"direct": "to the container's address", "published": "through a published port"}[way],
                          []).append((engine, float(requests)))
    return list(groups.items())


PLOTS = {"start": (of_start, "ms"), "stacks": (of_table, "ms"), "chains": (of_table, "ms"), "commands": (of_table, "ms"),
         "pull": (of_pull, "ms"), "build": (of_build, "ms"), "forward": (of_forward, "requests/s")}


def words_of(value, unit):
    if unit != "ms":
        return f"{value:,.0f}"
    return f"{value / 1000:.1f} s" if value >= 1000 else f"{value:.0f} ms" if value >= 10 else f"{value:.1f} ms"


def bars(groups, unit):
    """Bars by group. Times have a scale by powers of ten, with its lines: beside seconds nothing would be
    seen of milliseconds. Rates begin at zero."""
    left, width, height, gap, top = 240, 480, 13, 9, 24
    values = [value for _, rows in groups for _, value in rows]
    if unit == "ms":
        low = math.floor(math.log10(max(min(values), 0.1)) - 0.01)
        high = math.ceil(math.log10(max(values)))
        ticks = [10.0 ** power for power in range(low, high + 1)]
        def place(value):
            return (math.log10(max(value, ticks[0])) - low) / (high - low) * width
    else:
        step = 10 ** math.floor(math.log10(max(values)))
        ticks = [step * index for index in range(int(max(values) // step) + 2)]
        def place(value):
            return value / ticks[-1] * width
    parts, y = [], top
    for label, rows in groups:
        parts.append(f'<text x="4" y="{y + 11}" font-weight="bold">{label}</text>')
        for who, value in rows:
            length, colour = max(place(value), 1), COLOURS.get(re.split(r"[ -]", who)[0], "#b8b8b8")
            parts.append(f'<text x="{left - 6}" y="{y + 11}" text-anchor="end">{who}</text>')
            parts.append(f'<rect x="{left}" y="{y}" width="{length:.0f}" height="{height}" fill="{colour}"/>')
            parts.append(f'<text x="{left + length + 5:.0f}" y="{y + 11}">{words_of(value, unit)}</text>')
            y += height + 2
        y += gap
    lines = []
    for tick in ticks:
        x = left + place(tick)
        lines.append(f'<line x1="{x:.0f}" y1="{top - 6}" x2="{x:.0f}" y2="{y - gap}" stroke="#ddd"/>')
        lines.append(f'<text x="{x:.0f}" y="{top - 10}" text-anchor="middle" fill="#777">'
                     f'{words_of(tick, unit).replace(".0", "")}</text>')
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + width + 70}" height="{y}" font-family="sans-serif" '
            f'font-size="11">\n<rect width="100%" height="100%" fill="white"/>\n' + "\n".join(lines + parts) + "\n</svg>\n")


def main():
    results, out, machine = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3]
    page = ["# Performance", "",
            "Written by `bench/run.sh`, which runs every benchmark of `bench/` beside what it is compared "
            "with, in one run each. Medians; the machine is a small virtual one, so that ratios say more "
            "than milliseconds.", "", f"{machine}.", "",
            "[What things cost](costs.md) tells what was done about it, and how far the floor is.", ""]
    for name, (title, about, script) in TITLES.items():
        file = results / name
        if not file.exists():
            continue
        text = file.read_text().strip()
        page += [f"## {title}", "", f"{about} `{script}`", ""]
        table = [line for line in text.splitlines() if line.startswith("|")]
        if table:
            page += table + [""]
        groups_of, unit = PLOTS.get(name, (lambda _: [], ""))
        groups = [(label, rows) for label, rows in groups_of(text) if len(rows) > 1]
        if groups:
            plot = out.with_name(f"performance-{name}.svg")
            plot.write_text(bars(groups, unit))
            scale = "times, by powers of ten" if unit == "ms" else unit
            page += [f"![{title}: bars of {scale}]({plot.name})", ""]
        text = "\n".join(line for line in text.splitlines() if not line.startswith("|")).strip()
        if text:
            page += ["```", text, "```", ""]
    out.write_text("\n".join(page).rstrip() + "\n")


main()
