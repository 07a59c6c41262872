import { expect, test } from 'vitest'

import { choiceOf, manifest, whyNot, workloadName, type Explained } from './choice'

const found = (verdict: string | null, stage: string | null): Explained =>
  ({ verdict, stage, reasons: [{ code: 'source_not_allowed', message: 'not allowed', field: '' }], nearest: 'mirror.example.com' }) as Explained

test('only what the cluster will admit may be chosen', () => {
  expect(choiceOf(found('ALLOW', 'deny'))).toBe('yes')
  expect(choiceOf(found(null, null))).toBe('yes')
  expect(choiceOf(found('DENY', 'deny'))).toBe('no')
  expect(choiceOf(found('DENY', 'audit'))).toBe('reported')
  expect(choiceOf(found('UNKNOWN', 'deny'))).toBe('unknown')
  expect(choiceOf(undefined)).toBe('unknown')
})

test('the reason names the nearest source', () => {
  expect(whyNot(found('DENY', 'deny'))).toBe('not allowed; the nearest allowed source is mirror.example.com')
})

test('the digest is pinned, and a name is one that an object may have', () => {
  const text = manifest({
    name: workloadName('team/My.App_1'),
    environment: 'prod-eu',
    namespace: 'shop',
    registry: 'harbor',
    host: 'harbor.example.com',
    repository: 'team/app',
    digest: 'sha256:abc',
    pullPolicy: 'IfNotPresent',
    annotation: null,
  })
  expect(text).toContain('image: harbor.example.com/team/app@sha256:abc')
  expect(workloadName('team/my.app_1')).toBe('my-app-1')
})
