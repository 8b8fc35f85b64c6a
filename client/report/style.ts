/** The style of a report: for a screen in light and dark, and for paper of any size. */
export const style = `
:root { color-scheme: light dark; --ink: #1c2127; --soft: #5b6570; --line: #d9dee3; --back: #fff; --mark: #2566a8;
  --fill: #2566a833; --bad: #a32020; --band: #f4f6f8; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e8ec; --soft: #9aa5b1; --line: #39424c; --back: #14181c;
  --mark: #6cabec; --fill: #6cabec40; --bad: #ff8b80; --band: #1d2329; } }
body { margin: 0 auto; max-width: 70rem; padding: 1.5rem; color: var(--ink); background: var(--back);
  font: 15px/1.45 system-ui, "Noto Sans", "Noto Sans CJK SC", sans-serif; }
h1 { font-size: 1.5rem; margin: 0; } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
p { margin: .3rem 0 .6rem; } .soft, caption { color: var(--soft); } .bad { color: var(--bad); }
dl { display: grid; grid-template-columns: repeat(auto-fit, minmax(13rem, 1fr)); gap: .8rem; margin: 1.2rem 0; }
dl div { border: 1px solid var(--line); border-radius: 6px; padding: .6rem .8rem; }
dt { color: var(--soft); font-size: .85rem; } dd { margin: 0; font-size: 1.25rem; } dd small { display: block;
  font-size: .8rem; color: var(--soft); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .87rem; }
th, td { text-align: left; vertical-align: top; padding: .3rem .7rem .3rem 0; border-bottom: 1px solid var(--line); }
th { color: var(--soft); font-weight: 600; } .number { text-align: right; font-variant-numeric: tabular-nums;
  white-space: nowrap; } .time { white-space: nowrap; } .name { overflow-wrap: anywhere; min-width: 7rem; }
code { font: .92em ui-monospace, monospace; background: var(--band); padding: .05rem .3rem; border-radius: 3px;
  overflow-wrap: anywhere; }
ul { padding-left: 1.1rem; margin: .3rem 0; } li { margin: .4rem 0; }
svg { display: block; width: 100%; height: auto; } figure { margin: .6rem 0 1rem; }
svg text { font-size: 11px; fill: var(--soft); } svg line { stroke: var(--line); stroke-width: 1; }
.marks rect, .marks circle { fill: var(--mark); } .marks polygon { fill: var(--fill); }
.marks polyline { fill: none; stroke: var(--mark); stroke-width: 2; }
@media print {
  :root { color-scheme: light; --ink: #000; --soft: #444; --line: #bbb; --back: #fff; --mark: #2566a8;
    --fill: #2566a833; --bad: #8f1010; --band: #f0f0f0; }
  @page { margin: 14mm; }
  body { max-width: none; padding: 0; font-size: 10pt; -webkit-print-color-adjust: exact;
    print-color-adjust: exact; }
  table { font-size: 7.5pt; } .name { min-width: 0; }
  .wide { overflow: visible; } thead { display: table-header-group; }
  tr, figure, li, dl div { break-inside: avoid; } h2 { break-after: avoid; }
}`;
