/** The style of the docs page; it stands inside the page, which loads nothing. */
export const DOCS_STYLE = `
:root { color-scheme: light dark; --line: light-dark(#d5dae1, #39414d); --soft: light-dark(#f4f6f8, #171b21);
  --ink: light-dark(#16202c, #e5eaf0); --dim: light-dark(#566273, #9aa7b7); --link: light-dark(#0b5cad, #7fb8ff); }
* { box-sizing: border-box; }
body { margin: 0; font: 16px/1.55 system-ui, sans-serif; color: var(--ink); background: light-dark(#fff, #0f1216); }
main, header { max-width: 62rem; margin: 0 auto; padding: 0 1.25rem; }
header { padding-top: 2.5rem; }
h1 { font-size: 1.9rem; margin: 0 0 .4rem; }
h2 { font-size: 1.25rem; margin: 2.4rem 0 .2rem; text-transform: capitalize; }
h3 { font-size: .95rem; margin: 1.2rem 0 .3rem; }
p { margin: .3rem 0 .8rem; }
a { color: var(--link); }
.dim { color: var(--dim); }
nav ul { display: flex; flex-wrap: wrap; gap: .3rem 1.1rem; padding: 0; list-style: none; }
details { border: 1px solid var(--line); border-radius: .5rem; margin: .6rem 0; }
summary { display: flex; flex-wrap: wrap; gap: .2rem .8rem; align-items: baseline; padding: .6rem .9rem; cursor: pointer; }
summary:hover { background: var(--soft); }
details > div { padding: 0 .9rem .9rem; border-top: 1px solid var(--line); }
code, pre { font: .875rem/1.5 ui-monospace, monospace; }
pre { background: var(--soft); border-radius: .4rem; padding: .7rem .9rem; overflow-x: auto; margin: .3rem 0; }
.method { font: 700 .8rem ui-monospace, monospace; min-width: 3.2rem; }
.GET { color: light-dark(#0a6b3d, #62d39b); } .POST { color: light-dark(#8a4b00, #f2b45c); }
table { border-collapse: collapse; width: 100%; font-size: .92rem; }
th, td { text-align: left; vertical-align: top; padding: .35rem .8rem .35rem 0; border-bottom: 1px solid var(--line); }
th { font-weight: 600; color: var(--dim); }
`;
