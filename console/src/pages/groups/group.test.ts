import { expect, it } from 'vitest'

import { moved } from './Group'
import { fits, type Group, type Member } from './group'

const member = (type?: 'kubernetes' | 'docker' | 'swarm'): Member => ({
  apiVersion: 'portreeve.io/v1',
  kind: 'Environment',
  metadata: { name: 'prod' },
  spec: { tier: 'production', group: 'a', title: 'Prod', ...(type ? { type } : {}) },
})
const group = (type?: 'kubernetes' | 'docker' | 'swarm'): Group => ({
  apiVersion: 'portreeve.io/v1',
  kind: 'EnvironmentGroup',
  metadata: { name: 'b' },
  spec: type ? { type } : {},
})

it('keeps types apart', () => {
  expect(fits(member(), group())).toBe(true)
  expect(fits(member('kubernetes'), group())).toBe(true)
  expect(fits(member(), group('docker'))).toBe(false)
  expect(fits(member('swarm'), group('docker'))).toBe(false)
})

it('moves an environment and changes nothing else of it', () => {
  expect(moved([member()], 'b').documents).toEqual([{ ...member(), spec: { ...member().spec, group: 'b' } }])
})
