import { describe, expect, it } from 'vitest'

import { selectors, withoutThemes, withoutUnread } from '../lighter.ts'

describe('lighter styles', () => {
  it('splits selectors at commas outside of brackets', () => {
    expect(selectors('a,:is(b,c) d,[x="1,2"]')).toEqual(['a', ':is(b,c) d', '[x="1,2"]'])
  })

  it('drops rules of themes that are never on, and keeps the two that are', () => {
    const css =
      ':root{--a:1}:root:where(.pf-v6-theme-dark){--a:2}:root:where(.pf-v6-theme-dark.pf-v6-theme-high-contrast){--a:3}' +
      '.x,.pf-v6-theme-felt .x{color:red}@media print{.pf-v6-theme-glass .y{color:red}}.z:not(.pf-v6-theme-felt .z){top:0}'
    expect(withoutThemes(css)).toBe(
      ':root{--a:1}:root:where(.pf-v6-theme-dark){--a:2}.x{color:red}.z:not(.pf-v6-theme-felt .z){top:0}',
    )
  })

  it('keeps what is no rule, and braces within strings', () => {
    const css = '@charset "utf-8";@import "a";.a:before{content:"}{"}@keyframes k{0%{top:0}to{top:1px}}'
    expect(withoutThemes(css)).toBe(css)
  })

  it('drops custom properties that nothing reads, and then those that only they read', () => {
    const css = [':root{--pf-a:1;--pf-b:var(--pf-a);--pf-c:var(--pf-b)}', '.x{color:var(--pf-d);--pf-d:2;--pf-e:3}']
    expect(withoutUnread(css, 'style["--pf-e"]')).toEqual(['', '.x{color:var(--pf-d);--pf-d:2;--pf-e:3}'])
  })
})
