import { describe, expect, it } from 'vitest'

import { addressOf, isShown, MOST, removeView, savedViews, saveView } from './views'

function storage(text: string | null = null) {
  let kept = text
  return { getItem: () => kept, setItem: (_: string, now: string) => void (kept = now) }
}

describe('saved views', () => {
  it('are names for addresses, without the page of rows that was open', () => {
    const kept = storage()
    expect(saveView(' <b>Mine</b> ', '/images', { verdict: 'DENY', cursor: 'abc', 'needed-cursor': 'x', tz: 'utc' }, kept)).toBe(true)
    const [view] = savedViews(kept)
    expect(view).toEqual({ name: '<b>Mine</b>', page: '/images', search: '?verdict=DENY&tz=utc' })
    expect(addressOf(view!)).toBe('/images?verdict=DENY&tz=utc')
    expect(isShown(view!, { tz: 'utc', verdict: 'DENY', cursor: 'next' })).toBe(true)
    expect(isShown(view!, { verdict: 'DENY' })).toBe(false)
  })

  it('are of nobody else: whose view it was is not kept', () => {
    const kept = storage()
    saveView('mine', '/images', { q: 'a', as: 'dana', cursor: 'x' }, kept)
    expect(savedViews(kept).map(addressOf)).toEqual(['/images?q=a'])
    expect(isShown(savedViews(kept)[0]!, { q: 'a', as: 'dana' })).toBe(true)
  })

  it('of one name on one page are one', () => {
    const kept = storage()
    saveView('mine', '/images', { q: 'a' }, kept)
    saveView('mine', '/images', { q: 'b' }, kept)
    saveView('mine', '/audit', {}, kept)
    expect(savedViews(kept).map(addressOf)).toEqual(['/images?q=b', '/audit'])
    removeView(savedViews(kept)[0]!, kept)
    expect(savedViews(kept).map(addressOf)).toEqual(['/audit'])
  })

  it('have a name, and are no more than a browser should keep', () => {
    const kept = storage()
    expect(saveView('  ', '/images', {}, kept)).toBe(false)
    for (let one = 0; one < MOST; one += 1) expect(saveView(`view ${one}`, '/images', {}, kept)).toBe(true)
    expect(saveView('one more', '/images', {}, kept)).toBe(false)
    expect(saveView('view 1', '/images', { q: 'x' }, kept)).toBe(true)
  })

  it('are passed over where what is stored is none of ours, or leads elsewhere', () => {
    expect(savedViews(storage('{'))).toEqual([])
    expect(savedViews(storage('{"a":1}'))).toEqual([])
    const strange = [null, 1, { name: 'x' }, { name: 'x', page: '//evil.example', search: '' }, { name: 'x', page: 'javascript:1', search: '' }, { name: 'x', page: '/images', search: '@evil' }]
    expect(savedViews(storage(JSON.stringify(strange)))).toEqual([])
  })
})
