# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The looks of the page of a memory plan. PRIVATE to the collection.

Services differ by place and label, never by hue; what is kept free differs from them by lightness and hatching. So the
picture reads the same for the colour-blind and on a grey printer.
"""

from __future__ import annotations

__all__ = ["STYLE"]

STYLE = """
:root {
  color-scheme: light dark;
  --page: #fff; --text: #1b2430; --quiet: #566171; --rule: #d9dee5;
  --service: #2a6a9c; --limit: #d5e4f1; --mark: #0d2438; --kept: #7f8996;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --page: #14181d; --text: #e4e8ed; --quiet: #9aa5b3; --rule: #333b45;
    --service: #5b9fd1; --limit: #20384d; --mark: #f2f6fa; --kept: #737e8b;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 1.5rem 1rem 3rem; max-width: 56rem; background: var(--page); color: var(--text);
  font: 1rem/1.5 system-ui, sans-serif; font-variant-numeric: tabular-nums;
}
h1 { margin: 0 0 .5rem; font-size: 1.5rem; line-height: 1.25; overflow-wrap: anywhere; }
p { margin: 0 0 .5rem; max-width: 44rem; overflow-wrap: anywhere; }
figure { margin: 1.5rem 0 2rem; }
figcaption, .notes { color: var(--quiet); font-size: .875rem; }
.picture {
  display: grid; grid-template: auto var(--height) / 3.25rem minmax(6rem, 2fr) minmax(0, 3fr); margin-top: .75rem;
}
.heads { grid-area: 1 / 2; position: relative; height: 1.4rem; color: var(--quiet); font-size: .75rem; }
.heads span { position: absolute; }
.axis { grid-area: 2 / 1; position: relative; color: var(--quiet); font-size: .75rem; line-height: 1; }
.axis span { position: absolute; right: 0; padding-right: .75rem; transform: translateY(-50%); }
.axis span::after {
  content: ""; position: absolute; right: .2rem; top: 50%; width: .35rem; border-top: 1px solid var(--kept);
}
.picture svg { grid-area: 2 / 2; width: 100%; height: 100%; overflow: visible; }
.labels { grid-area: 2 / 3; position: relative; margin: 0; padding: 0; list-style: none; line-height: 1.25; }
.labels li {
  position: absolute; left: .5rem; right: 0; transform: translateY(-50%);
  display: grid; grid-template-columns: minmax(0, 1fr) max-content 3rem; column-gap: .5rem; max-width: 26rem;
  font-size: .875rem;
}
.labels .name { font-weight: 600; }
.labels .name, .labels .more { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.labels .share { color: var(--quiet); text-align: right; }
.labels .more { grid-column: 1 / -1; color: var(--quiet); font-size: .75rem; }
@media screen and (max-width: 40rem) {
  .picture { grid-template-columns: 2.75rem minmax(5rem, 3fr) minmax(0, 5fr); }
  .axis span { padding-right: .6rem; }
  .labels li { grid-template-columns: max-content minmax(0, 1fr); }
  .labels .name { grid-column: 1 / -1; }
  .labels .figure { font-size: .75rem; }
  .labels .share { display: none; }
  .labels .more { grid-column: 2; }
}
.service, .used, .reserve { stroke: var(--page); stroke-width: .6; }
.service { fill: var(--service); }
.measured .service { fill: var(--limit); stroke: var(--service); }
.used, .in-use { fill: var(--service); }
.available, .spare { fill: none; stroke: var(--kept); stroke-dasharray: 3 3; }
.reserve { fill: var(--kept); }
rect.jobs { fill: url(#hatch-jobs); stroke: var(--kept); }
rect.rollout-copy { fill: url(#hatch-rollout-copy); stroke: var(--service); }
line.jobs { stroke: var(--kept); stroke-width: 3; }
line.rollout-copy { stroke: var(--service); stroke-width: 3; }
.replica { stroke: var(--page); stroke-dasharray: 3 3; }
.peak { stroke: var(--mark); stroke-width: 3; }
.leader { stroke: var(--kept); stroke-width: 1; }
.key {
  display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; margin: .75rem 0 0; padding: 0; list-style: none;
  font-size: .875rem;
}
.key svg { width: 1.5rem; height: .8rem; margin-right: .4rem; vertical-align: -.05rem; overflow: visible; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .875rem; }
caption { text-align: left; font-weight: 600; padding-bottom: .5rem; }
th, td { padding: .3rem .75rem .3rem 0; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--rule); }
th:first-child, th:last-child, td:last-child { text-align: left; padding-right: 0; }
th:last-child, td:last-child { padding-left: .75rem; }
th:first-child { padding: .3rem .75rem .3rem 0; }
thead th { color: var(--quiet); font-weight: 400; vertical-align: bottom; }
tbody th { font-weight: 600; white-space: normal; overflow-wrap: anywhere; min-width: min(11rem, 35vw); }
.rest th { font-weight: 400; }
.rest td:last-child { color: var(--quiet); }
.rest tr:last-child > * { font-weight: 600; border-bottom: 0; }
.notes { margin-top: 1.5rem; }
@media print {
  @page { margin: 1.5cm; }
  body { padding: 0; max-width: none; font-size: .8rem; }
  figure, table { break-inside: avoid; }
  .scroll { overflow: visible; }
}
"""
