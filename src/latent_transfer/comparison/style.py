"""The report's style sheet."""

STYLE = """
:root {
  color-scheme: light dark;
  --text: #1b1f24; --page: #ffffff; --soft: #f3f5f7; --line: #c9d1d9; --quiet: #4f5963;
  --accent: #0072b2;
}
@media (prefers-color-scheme: dark) {
  :root {
    --text: #e6e8eb; --page: #14171a; --soft: #1f2429; --line: #3d454d; --quiet: #a9b3bd;
    --accent: #56b4e9;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--text);
  font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { max-width: 50rem; margin: 0 auto; padding: 1.5rem 1rem 3rem; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 1rem; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin: 2.2rem 0 .6rem; }
p, ul { margin: .6rem 0; overflow-wrap: break-word; }
li { margin: .3rem 0; }
ul { padding-left: 1.2rem; }
.verdict { border-left: .3rem solid var(--accent); background: var(--soft);
  padding: .8rem 1rem; font-size: 1.08rem; overflow-wrap: anywhere; }
.note { color: var(--quiet); }
figure { margin: 1rem 0; }
figure img { display: block; width: 100%; height: auto; background: #fff; border-radius: .4rem; }
figcaption, caption { color: var(--quiet); font-size: .92rem; text-align: left; }
figcaption { margin-top: .4rem; }
caption { max-width: calc(100vw - 2rem); padding-bottom: .4rem; overflow-wrap: anywhere; }
.wide { overflow-x: auto; margin: 1rem 0; }
.wide:focus-visible, pre:focus-visible { outline: .15rem solid var(--accent); }
table { border-collapse: collapse; width: 100%; font-size: .92rem;
  font-variant-numeric: tabular-nums; }
th, td { text-align: left; vertical-align: top; padding: .35rem .7rem .35rem 0;
  border-bottom: 1px solid var(--line); overflow-wrap: break-word; }
thead th { border-bottom: 2px solid var(--line); vertical-align: bottom; }
td:not(:last-child) { white-space: nowrap; }
tbody th { font-weight: 600; min-width: 7.5rem; max-width: 18rem; overflow-wrap: anywhere; }
.strip { display: block; height: 3rem; width: auto; max-width: none; background: #fff;
  padding: 2px; image-rendering: pixelated; }
pre { background: var(--soft); padding: .8rem 1rem; overflow-x: auto; font-size: .88rem; }
@media print {
  :root { --text: #000; --page: #fff; --soft: #fff; --line: #999; --quiet: #333; }
  main { max-width: none; padding: 0; }
  figure, tr { break-inside: avoid; }
  h2 { break-after: avoid; }
  .wide { overflow: visible; }
  pre { white-space: pre-wrap; overflow-wrap: anywhere; }
}
"""
