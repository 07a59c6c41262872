/** The matcher and the form, against a server that answers what it is told to. */
import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { createMemoryHistory, createRootRoute, createRouter, RouterProvider } from '@tanstack/react-router'
import { cleanup, render, screen, waitFor, within } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { useState } from 'react'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'

import { SayProvider } from '../../parts/Say'
import { empty, type Draft, type PolicyDocument } from './draft'
import type { Matched, PolicyEffect } from './effect'
import { Answer, pointed } from './Matcher'
import { PolicyForm } from './PolicyForm'

// Rendering the form takes long where many share a processor; nothing here waits for time to pass.
vi.setConfig({ testTimeout: 60_000 })

const row = { field: 'spec.restrict.allowedSources[1]', prefix: 'a.example.com/x', namespaces: null, note: '', origin: 'policy', owner: 'p', removable: true }
const own = { field: '', prefix: 'registry.k8s.io/pause', namespaces: ['kube-system'], note: 'system image', origin: 'prefilled', owner: 'what a cluster needs', removable: false }
const matched: Matched = {
  environment: 'prod-eu',
  image: 'a.example.com/x/y',
  namespace: 'shop',
  canonical: 'a.example.com/x/y:latest',
  verdict: 'ALLOW',
  unsafe: null,
  reasons: [],
  rows: [row, { ...row, field: 'spec.restrict.allowedSources[0]', prefix: 'a.example.com' }],
  nearest: null,
}

afterEach(cleanup)

it('names the row that matches, the most specific one', () => {
  render(<Answer matched={matched} />)
  expect(screen.getByText('a.example.com/x/y:latest')).toBeTruthy()
  expect(screen.getByText('Allowed')).toBeTruthy()
  expect(screen.getByText('also by a.example.com')).toBeTruthy()
  expect(pointed(matched)).toEqual(new Set(['spec.restrict.allowedSources[1]']))
})

it('points at a row that no document holds by its prefix, and at the nearest where none matches', () => {
  expect(pointed({ ...matched, rows: [own] })).toEqual(new Set(['registry.k8s.io/pause']))
  expect(pointed({ ...matched, rows: [], nearest: row })).toEqual(new Set([row.field]))
  expect(pointed(undefined)).toEqual(new Set())
})

it('says of an image that cannot be read why it is denied', () => {
  const reasons = [{ code: 'unsafe_reference', message: 'the path has upper-case letters', field: '' }]
  render(<Answer matched={{ ...matched, canonical: null, verdict: 'DENY', unsafe: 'upper_case_path', reasons, rows: [] }} />)
  expect(screen.getByText('nothing: it cannot be read safely')).toBeTruthy()
  expect(screen.getByText('the path has upper-case letters')).toBeTruthy()
  expect(screen.getByText('Denied')).toBeTruthy()
})

const none = { running: 0, allowed: 0, blocked: 0, unknown: 0, reported: 0 }

/** The effect of a document, as a server would answer it that knows one environment. */
function effectOf(body: { document: PolicyDocument; prefixes?: string[] }): PolicyEffect {
  const { spec, metadata } = body.document
  const sources = (spec.restrict?.allowedSources ?? []).map((one, index) => ({
    ...row,
    field: `spec.restrict.allowedSources[${index}]`,
    prefix: one.prefix,
    matches: index,
    public: false,
  }))
  return {
    kind: 'PolicyEffect',
    policy: metadata.name,
    exists: metadata.name === 'taken',
    stage: spec.restrict?.stage ?? 'off',
    revision: 1,
    counts: spec.groups?.length ? { running: 412, allowed: 398, blocked: 14, unknown: 0, reported: 0, workloads: 3 } : { ...none, workloads: 0 },
    blocked: [],
    sources: [...sources, { ...own, matches: 0, public: false }],
    grants: [],
    groups: [],
    namespaces: [{ name: 'shop', environments: 1 }],
    subjects: { teams: [], users: [] },
    places: spec.groups?.length
      ? [{ environment: 'prod-eu', group: 'production', type: 'kubernetes', tier: 'production', counts: none, policyNow: null, stageNow: null, masked: 0, lastSeen: null, kubernetes: null, enforcedBy: 'deployment time only', restricts: null, why: 'its Kubernetes version is not known' }]
      : [],
    hiddenEnvironments: 0,
    freshness: { of: 1, reported: 1, oldest: '2026-11-20T12:00:00Z', silent: [] },
    refusals: [],
    warnings: [],
    matched: [],
    prefixes: (body.prefixes ?? []).map((text) =>
      text.includes('.')
        ? { text, canonical: text.toLowerCase(), problem: null, public: text === 'docker.io', covers: [`${text}/app`], coversNot: [`${text}.evil.example/app`] }
        : { text, canonical: null, problem: { code: 'prefix_without_host', message: `${text} does not begin with a host`, hint: `write docker.io/library/${text}` }, public: false, covers: [], coversNot: [] },
    ),
  }
}

const group = (name: string, coveredBy: string | null) => ({ kind: 'EnvironmentGroup', metadata: { name }, spec: { type: 'kubernetes' }, status: { coveredBy, environments: ['prod-eu'] } })
const list = (...items: unknown[]) => ({ kind: 'List', metadata: { revision: 1, total: items.length }, items })
let plans: { documents: PolicyDocument[]; replace: boolean }[] = []

beforeEach(() => {
  plans = []
  vi.stubGlobal('fetch', async (address: string, sent?: RequestInit) => {
    const body = sent?.body ? JSON.parse(String(sent.body)) : undefined
    const path = new URL(address, 'http://localhost').pathname
    const answers: Record<string, () => unknown> = {
      '/api/v1/me': () => ({ user: 'ada', title: 'Ada', teams: [], roles: [], signedIn: { by: 'session', expiresAt: '' }, may: { 'registry-policy': ['plan'] }, whoMay: {} }),
      '/api/v1/groups': () => list(group('production', 'old'), group('staging', null)),
      '/api/v1/registries': () => list({ kind: 'Registry', metadata: { name: 'harbor' }, spec: {} }),
      '/api/v1/policies/effect': () => effectOf(body),
      '/api/v1/policytemplates/from-inventory': () => ({
        document: { spec: { restrict: { allowedSources: [{ prefix: 'quay.io/cni', scope: { namespaces: ['kube-system'] } }, { prefix: 'ghcr.io/acme', scope: 'Global' }] } } },
      }),
      '/api/v1/plans': () => {
        plans.push(body)
        return { id: 'p1', digest: 'sha256:0', blocked: false, documents: [], counts: {}, environments: [], policiesReplaced: [], conflicts: [], refusals: [], valve: [], warnings: [], newlyDenied: [], newlyReported: [], newlyAllowed: [], uses: [], text: [] }
      },
    }
    const answer = answers[path]
    return new Response(JSON.stringify(answer ? answer() : { code: 'no_route', detail: path }), { status: answer ? 200 : 404 })
  })
  vi.stubGlobal('ResizeObserver', class { observe() {} unobserve() {} disconnect() {} })
})

afterEach(() => vi.unstubAllGlobals())

function Writing({ begun }: { begun: Draft }) {
  const [draft, change] = useState(begun)
  return <PolicyForm draft={draft} change={change} filling="system" onStored={() => undefined} onCancel={() => undefined} />
}

async function write(begun: Partial<Draft> = {}) {
  const root = createRootRoute({ component: () => <Writing begun={{ ...empty('kubernetes'), ...begun }} /> })
  const router = createRouter({ routeTree: root, history: createMemoryHistory({ initialEntries: ['/'] }) })
  const client = new QueryClient({ defaultOptions: { queries: { retry: false } } })
  render(
    <QueryClientProvider client={client}>
      <SayProvider>
        <RouterProvider router={router as never} />
      </SayProvider>
    </QueryClientProvider>,
  )
  await screen.findByRole('textbox', { name: /^Name/ })
  return userEvent.setup({ delay: null })
}

/** Press the button, once it is known that the reader may. */
async function create(user: ReturnType<typeof userEvent.setup>) {
  const button = () => screen.getByRole('button', { name: 'Create policy' })
  await waitFor(() => expect(button().getAttribute('aria-disabled')).not.toBe('true'))
  await user.click(button())
}

it('shows what would happen, and what the environments can do', async () => {
  await write({ groups: ['staging'], restrict: true, stage: 'deny' })
  await screen.findByText(/Of 412 running images: 398 allowed, 14 blocked/)
  expect(screen.getByText(/0 of 1 can refuse images at admission/)).toBeTruthy()
  expect(screen.getByText(/its Kubernetes version is not known/)).toBeTruthy()
  expect(screen.getByText(/from 1 of 1 environment/)).toBeTruthy()
})

it('adds a source as the server reads it, and none that it refuses', async () => {
  const user = await write({ groups: ['staging'], restrict: true, stage: 'audit', sources: [{ prefix: 'z.example.com', scope: 'Global' }] })
  const field = await screen.findByRole('textbox', { name: 'Registry URL prefix' })
  await user.click(field)
  await user.paste('nginx')
  await screen.findByText('write docker.io/library/nginx')
  await user.click(screen.getByRole('button', { name: 'Add source' }))
  const table = screen.getByRole('table', { name: 'Allowed sources' })
  expect(within(table).queryByText('nginx')).toBeNull()
  await user.clear(field)
  await user.paste('Registry.corp')
  await user.keyboard('{Enter}')
  await waitFor(() => expect(within(table).getByText('registry.corp')).toBeTruthy())
})

it('cannot take out what every policy has, and takes out what is chosen', async () => {
  const user = await write({ groups: ['staging'], restrict: true, stage: 'audit', sources: [{ prefix: 'z.example.com', scope: 'Global' }] })
  const table = await screen.findByRole('table', { name: 'Allowed sources' })
  const kept = (await within(table).findByText('registry.k8s.io/pause')).closest('tr')
  expect(within(kept as HTMLElement).queryByRole('checkbox')).toBeNull()
  await user.click(within(table).getByRole('checkbox', { name: 'Select z.example.com, Global' }))
  const area = screen.getByRole('region', { name: 'Allowed sources' })
  await user.click(within(area).getByRole('button', { name: 'Remove 1' }))
  await waitFor(() => expect(within(table).queryByText('z.example.com')).toBeNull())
})

it('fills in what system namespaces run when it begins to restrict, and nothing of tenants', async () => {
  const user = await write({ groups: ['staging'] })
  await user.click(screen.getByRole('switch', { name: 'Restrict to allowed sources' }))
  const table = await screen.findByRole('table', { name: 'Allowed sources' })
  await within(table).findByText('quay.io/cni')
  expect(within(table).queryByText('ghcr.io/acme')).toBeNull()
})

it('asks for what is missing before it plans anything', async () => {
  const user = await write()
  await create(user)
  expect(await screen.findByText('Give the policy a name.')).toBeTruthy()
  expect(document.activeElement?.id).toBe('policy-name')
  expect(plans).toEqual([])
})

it('refuses a name that is taken', async () => {
  await write({ called: 'Taken', groups: ['staging'], restrict: true, stage: 'audit' })
  expect(await screen.findByText(/There is a policy called taken already/)).toBeTruthy()
})

it('warns of a group that another policy covers, and plans to take it out of there', async () => {
  const user = await write({ called: 'New one', groups: ['production'], restrict: true, stage: 'audit' })
  expect(await screen.findByText('production leaves old.')).toBeTruthy()
  await create(user)
  await screen.findByRole('dialog', { name: 'Create the policy new-one' })
  await waitFor(() => expect(plans).toHaveLength(1))
  expect(plans[0]?.replace).toBe(true)
  expect(plans[0]?.documents[0]?.metadata.name).toBe('new-one')
})
