"""The style of a report's page: light and dark as the window wishes, for windows from 320 pixels on, and for print.

Series have the colours of Okabe & Ito 2008, in the dark the lighter of them.
"""

from __future__ import annotations

from mnas_moo.reports.panels import COLORS

DARK = ("#F0803C", "#4BA3E3", "#2DBE94", "#E39CC4", "#EFB23A", "#7CC7F2", "#9AA4AE")
"""The colours of ``COLORS`` on a dark ground."""
PRINTED = (
    "@media print { nav, .files, .hint, .ranges details, .ranges button { display: none } "
    "details { break-inside: avoid } }"
)

_SERIES = "\n".join(f".c{i} {{ fill: var(--s{i}) }} .s{i} {{ stroke: var(--s{i}) }}" for i in range(len(COLORS)))
_LIGHT = " ".join(f"--s{i}: {color};" for i, color in enumerate(COLORS))
_DARK = " ".join(f"--s{i}: {color};" for i, color in enumerate(DARK))

STYLE = f"""
:root {{ color-scheme: light dark; --ground: #fff; --raised: #f5f7f9; --ink: #1d2733; --soft: #55626f; --edge: #dde2e7;
  --link: #005ea8; {_LIGHT} }}
@media (prefers-color-scheme: dark) {{ :root {{ --ground: #12171c; --raised: #1b2229; --ink: #e6eaee; --soft: #a3afba;
  --edge: #333d47; --link: #74b9f2; {_DARK} }} }}
* {{ box-sizing: border-box }}
html {{ scroll-behavior: smooth; -webkit-text-size-adjust: 100% }}
body {{ font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; color: var(--ink);
  background: var(--ground); max-width: 1000px; margin: 0 auto; padding: 1.6rem 1rem 4rem; overflow-wrap: anywhere }}
h1 {{ font-size: 1.9rem; line-height: 1.2; margin: 0 0 .4rem }}
h2 {{ font-size: 1.35rem; margin: 3rem 0 .5rem; padding-top: .4rem; border-top: 1px solid var(--edge) }}
h3 {{ font-size: 1.05rem; margin: 1.8rem 0 .3rem }}
p {{ margin: .4rem 0 }} .lead {{ font-size: 1.15rem }} .soft, figcaption, .hint {{ color: var(--soft) }}
figcaption, .hint, .files, summary {{ font-size: .9rem }}
a {{ color: var(--link) }}
nav ul {{ list-style: none; display: flex; flex-wrap: wrap; gap: .2rem 1.1rem; padding: 0; margin: 1rem 0 }}
.tiles {{ display: grid; grid-template-columns: repeat(auto-fit, minmax(8.5rem, 1fr)); gap: .7rem; margin: 1.2rem 0 }}
.tiles div {{ background: var(--raised); border-radius: .5rem; padding: .6rem .8rem }}
.tiles dt {{ color: var(--soft); font-size: .85rem }} .tiles dd {{ margin: 0; font-size: 1.35rem; font-weight: 600 }}
.told {{ border-left: 4px solid var(--s4); background: var(--raised); padding: .5rem .8rem; margin: .6rem 0;
  border-radius: 0 .4rem .4rem 0 }}
.cards {{ display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 19rem), 1fr)); gap: 1rem;
  margin: 1rem 0 }}
.card {{ border: 1px solid var(--edge); border-radius: .6rem; padding: .9rem 1rem; min-width: 0 }}
.card h3 {{ margin: 0; }} .card h3::first-letter {{ text-transform: uppercase }}
.card dl, .facts {{ display: grid; grid-template-columns: minmax(0, 1fr) auto; gap: .15rem .8rem; margin: .6rem 0 }}
.card dt, .facts dt {{ color: var(--soft) }} .card dd, .facts dd {{ margin: 0; min-width: 0; white-space: pre-line }}
.card dd {{ font-weight: 600; text-align: right; white-space: nowrap }}
.facts {{ grid-template-columns: minmax(6rem, 12rem) 1fr; gap: .4rem 1rem }}
img.net {{ display: block; width: 100%; height: auto; background: #fff; border-radius: .4rem;
  border: 1px solid var(--edge) }}
.card img.net {{ cursor: zoom-in }} .card.large {{ grid-column: 1 / -1 }} .card.large img.net {{ cursor: zoom-out }}
figure {{ margin: .8rem 0 1.6rem }}
figure > p.title {{ font-weight: 600; margin: 0 }}
.beside {{ display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 340px), 1fr)); gap: 1rem 1.4rem }}
svg.plot {{ display: block; width: 100%; height: auto; font-size: 12px; touch-action: pan-y; overflow: visible }}
svg.plot:focus-visible {{ outline: 2px solid var(--link); outline-offset: 2px }}
svg.narrow {{ display: none }}
svg text {{ fill: var(--ink) }} svg .tick {{ fill: var(--soft) }} svg .small {{ font-size: 10.5px }}
svg .name {{ fill: var(--soft) }} svg .head {{ font-weight: 600; font-size: 13px }}
svg .tag {{ font-weight: 600; paint-order: stroke; stroke: var(--ground); stroke-width: 4px; stroke-linejoin: round }}
.grid {{ stroke: var(--edge); fill: none }} .axis {{ stroke: var(--soft); fill: none }}
.line {{ fill: none; stroke-width: 2; stroke-linejoin: round }} .bar {{ fill: none; stroke-width: 1.2 }}
.faint {{ opacity: .28 }} .marks {{ stroke-width: 1.8; fill-opacity: .72 }} .marks.large {{ fill-opacity: 1 }}
.marks[class*=" s"] {{ fill: none }} .ring {{ fill: none; stroke: var(--ink); stroke-width: 2 }}
.others {{ stroke-width: 1.4; stroke-opacity: .6 }} .dots {{ stroke-width: 6.5; stroke-linecap: round; fill: none }}
.dots.little {{ stroke-width: 5 }} .away {{ fill: none; stroke: var(--soft); stroke-width: 1; stroke-opacity: .22 }}
.away.dots {{ stroke-width: 4 }} .pick .line {{ stroke-width: 2.6 }} .pick.out {{ opacity: .14 }}
.dots.others {{ stroke-width: 6.5 }} .dots.little.others {{ stroke-width: 5 }} .hot {{ fill: none; stroke: var(--ink);
  stroke-width: 3.4; pointer-events: none }} .hot.dots {{ stroke-width: 10; stroke-opacity: .55 }}
svg .strong {{ font-weight: 600 }} .legend svg.long {{ width: 30px }}
svg .halo {{ paint-order: stroke; stroke: var(--ground); stroke-width: 4px; stroke-linejoin: round }}
.grip {{ fill: transparent }} .range {{ fill: var(--link); fill-opacity: .22; stroke: var(--link) }}
.brushed .wide .grip {{ cursor: ns-resize; touch-action: none }}
.brushed .narrow .grip {{ cursor: ew-resize; touch-action: pan-y }}
.ranges details > div {{ display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 17rem), 1fr));
  gap: .5rem 1.4rem; margin: .5rem 0 }}
.ranges fieldset {{ border: 1px solid var(--edge); border-radius: .4rem; min-width: 0; margin: 0;
  padding: .2rem .7rem }}
.ranges legend, .ranges label {{ font-size: .9rem }}
.ranges label {{ display: grid; grid-template-columns: 4.6rem minmax(0, 1fr) 5rem; align-items: center;
  min-height: 2rem }}
.ranges output {{ text-align: right; font-variant-numeric: tabular-nums }} .ranges input {{ accent-color: var(--link) }}
.ranges button {{ font: inherit; color: var(--link); background: var(--raised); border: 1px solid var(--edge);
  border-radius: .4rem; padding: .2rem .8rem; min-height: 2rem }}
{_SERIES}
.legend {{ list-style: none; display: flex; flex-wrap: wrap; gap: .1rem 1.2rem; padding: 0; margin: .3rem 0;
  font-size: .9rem }}
.legend svg {{ width: 26px; height: 16px; vertical-align: -3px; margin-right: .35rem }}
.pictures {{ list-style: none; display: grid; grid-template-columns: repeat(auto-fill, minmax(5.4rem, 1fr));
  gap: .8rem; padding: 0; margin: .6rem 0; font-size: .8rem; line-height: 1.3; color: var(--soft) }}
.pictures img {{ display: block; width: 100%; image-rendering: pixelated; border-radius: .3rem; margin-bottom: .2rem }}
.scroll {{ overflow-x: auto }}
table {{ border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .92rem; margin: .5rem 0 }}
th, td {{ padding: .25rem .9rem .25rem 0; text-align: right; border-bottom: 1px solid var(--edge);
  vertical-align: top }}
th {{ color: var(--soft); font-weight: 600; border-bottom: 2px solid var(--edge) }}
td.text, th.text {{ text-align: left; min-width: 8rem }}
td.number, th.number {{ white-space: nowrap; overflow-wrap: normal }}
code, pre {{ font: .88em/1.5 ui-monospace, "DejaVu Sans Mono", monospace }}
pre {{ background: var(--raised); padding: .7rem .9rem; border-radius: .5rem; white-space: pre-wrap; margin: .5rem 0 }}
summary {{ cursor: pointer; color: var(--link) }}
#tip {{ position: fixed; z-index: 9; max-width: min(30rem, calc(100vw - 16px)); background: var(--ground);
  border: 1px solid var(--soft); border-radius: .5rem; padding: .5rem .7rem; font-size: .85rem; pointer-events: none;
  box-shadow: 0 4px 18px rgb(0 0 0 / .25); white-space: pre-line; overflow-wrap: anywhere }}
#tip b {{ display: block }} #tip img {{ width: 27rem; max-width: 100%; margin-top: .4rem; white-space: normal }}
[hidden] {{ display: none }}
@media (max-width: 620px) {{
  svg.wide {{ display: none }} svg.narrow {{ display: block }}
  body {{ padding-top: 1rem }} h1 {{ font-size: 1.5rem }}
  .facts {{ grid-template-columns: 1fr }} .facts dd {{ margin-bottom: .4rem }}
}}
{PRINTED}
"""
