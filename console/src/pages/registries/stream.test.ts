import { expect, test } from 'vitest'

import { eventsIn } from './stream'

test('events are read however the network has cut them', () => {
  const whole = 'data: {"type":"CHECK"}\n\n: a comment\n\ndata: {"a":\ndata: 1}\r\n\r\ndata: {"typ'
  for (let cut = 0; cut <= whole.length; cut += 1) {
    const [first, rest] = eventsIn(whole.slice(0, cut))
    const [second, left] = eventsIn(rest + whole.slice(cut))
    expect([...first, ...second]).toEqual([{ type: 'CHECK' }, { a: 1 }])
    expect(left).toBe('data: {"typ')
  }
})
