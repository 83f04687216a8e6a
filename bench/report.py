#!/usr/bin/env python3
"""Makes the page of bench/run.sh out of what the benchmarks printed.

  report.py RESULTS OUT MACHINE

RESULTS is a folder with one file for each benchmark that ran. Beside OUT goes an SVG file with bars
of the stacks' times, where these were measured."""

import pathlib
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
COLUMNS = ("up -d", "up -d again", "ps", "down")
COLOURS = {"davit": "#1f6f8b", "docker": "#b0b0b0", "podman": "#d8a25e"}


def is_number(text):
    return text.replace(".", "", 1).isdigit()


def rows_of(text):
    """The stacks' table: (services, engine, [milliseconds]), in its order."""
    rows = []
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 6 and cells[0].removesuffix(" chained").isdigit() and all(map(is_number, cells[2:])):
            rows.append((cells[0], cells[1], [float(cell) for cell in cells[2:]]))
    return rows


def bars(rows):
    """One group of bars for each number of services and column, long ones cut by a square root, since
    what is to be seen is the short ones."""
    left, width, height, gap = 190, 520, 14, 10
    most = max(max(times) for _, _, times in rows) ** 0.5
    parts, y = [], 10
    for services in dict.fromkeys(row[0] for row in rows):
        for index, column in enumerate(COLUMNS):
            for count, engine, times in rows:
                if count != services:
                    continue
                length = max(times[index] ** 0.5 / most * width, 1)
                parts.append(f'<text x="{left - 8}" y="{y + 11}" text-anchor="end">{services} × {column}, {engine}</text>')
                parts.append(f'<rect x="{left}" y="{y}" width="{length:.0f}" height="{height}" fill="{COLOURS.get(engine, "#888")}"/>')
                parts.append(f'<text x="{left + length + 6:.0f}" y="{y + 11}">{times[index]:.0f} ms</text>')
                y += height + 3
            y += gap
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + width + 90}" height="{y}" '
            f'font-family="sans-serif" font-size="11">\n' + "\n".join(parts) + "\n</svg>\n")


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
        rows = rows_of(text)
        if name == "stacks" and rows:
            plot = out.with_name("performance-stacks.svg")
            plot.write_text(bars(rows))
            page += [f"![bars of these times; their length is the square root of the time]({plot.name})", ""]
        text = "\n".join(line for line in text.splitlines() if not line.startswith("|")).strip()
        if text:
            page += ["```", text, "```", ""]
    out.write_text("\n".join(page).rstrip() + "\n")


main()
