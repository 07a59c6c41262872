import { expect, test } from 'vitest'

import { documentOf, EMPTY, entered, missingOf, type Entered } from './form'
import type { Method, Provider } from './model'

const robot: Method = {
  name: 'robot',
  title: 'Robot account',
  secret: 'Secret of the robot',
  ends: true,
  tokenLifeSeconds: null,
  needs: [],
  advice: '',
  fields: [{ name: 'username', label: 'User name', required: true, example: '', hint: '' }],
}
const harbor: Provider = {
  name: 'harbor',
  title: 'Harbor',
  anonymous: true,
  public: false,
  browse: 'api',
  deletes: true,
  notes: [],
  methods: [robot],
}
const typed: Entered = { ...EMPTY, name: 'harbor', provider: 'harbor', host: 'harbor.example.com' }

test('without a way to sign in no credential is declared', () => {
  expect(documentOf(typed, harbor).spec).toEqual({ provider: 'harbor', host: 'harbor.example.com' })
})

test('parameters of another method do not come along', () => {
  const found = documentOf({ ...typed, method: 'robot', parameters: { username: 'robot$a', region: 'eu' } }, harbor)
  expect(found.spec.credentials).toEqual([{ purpose: 'pull', method: 'robot', parameters: { username: 'robot$a' } }])
})

test('what is missing is said one after the other, and the secret last', () => {
  expect(missingOf(EMPTY, undefined, '')).toMatch(/provider/)
  expect(missingOf({ ...typed, name: 'Not a name' }, harbor, '')).toMatch(/name/)
  const signing = { ...typed, method: 'robot' }
  expect(missingOf(signing, harbor, '')).toBe('Enter: User name.')
  expect(missingOf({ ...signing, parameters: { username: 'a' } }, harbor, '')).toMatch(/Secret of the robot/)
  expect(missingOf({ ...signing, parameters: { username: 'a' } }, harbor, 'x')).toBe('')
  expect(missingOf(typed, harbor, '')).toBe('')
  expect(missingOf(typed, { ...harbor, anonymous: false }, '')).toMatch(/signed in/)
})

test('a document is read into the form and comes out the same', () => {
  const document = documentOf({ ...typed, title: 'Harbor', path: 'shop', method: 'robot', parameters: { username: 'a' }, plainHTTP: true }, harbor)
  expect(documentOf(entered(document), harbor)).toEqual(document)
})

test('a second credential is declared beside the one that pulls', () => {
  const management = { method: 'robot', parameters: { username: 'browser' }, day: '2027-02-01' }
  const document = documentOf({ ...typed, management }, harbor)
  expect(document.spec.credentials).toEqual([
    { purpose: 'management', method: 'robot', parameters: { username: 'browser' }, expiresAt: '2027-02-01T00:00:00Z' },
  ])
  expect(documentOf(entered(document), harbor)).toEqual(document)
})
