/** The one way to the server: requests typed by its own OpenAPI document, failures as `Problem`. */
import createClient, { type Middleware } from 'openapi-fetch'

import { address } from './place'
import { problemOf } from './problem'
import type { paths } from './schema'
import { viewingHeaders } from './viewing'

const ours: Middleware = {
  onRequest({ request }) {
    for (const [name, value] of Object.entries(viewingHeaders)) request.headers.set(name, value)
    return request
  },
  async onResponse({ response }) {
    if (response.ok || response.status === 304) return undefined
    let body: unknown = null
    try {
      body = await response.clone().json()
    } catch {
      // no problem document: its status is all that is known
    }
    throw problemOf(body, response.status)
  },
}

/** The typed client: `(await api.GET('/api/v1/me')).data`. Throws `Problem`. */
export const api = createClient<paths>({
  baseUrl: address('') || '/',
  querySerializer: { array: { style: 'form', explode: true } },
})
api.use(ours)

export interface Sent {
  method?: 'GET' | 'POST' | 'PUT' | 'DELETE'
  query?: Record<string, string | number | boolean | string[] | undefined>
  body?: unknown
  headers?: Record<string, string>
  signal?: AbortSignal
}

/** The path with a query; what is undefined or "" is left out. */
export function withQuery(path: string, query: Sent['query'] = {}): string {
  const found = new URLSearchParams()
  for (const [name, value] of Object.entries(query)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== undefined && one !== '') found.append(name, String(one))
    }
  }
  const text = found.toString()
  return text ? `${path}?${text}` : path
}

/** A request whose path is made at run time, as lists and changes are; the answer's body, or null. Throws `Problem`. */
export async function send<Answer = unknown>(path: string, sent: Sent = {}): Promise<Answer> {
  return (await sendWhole<Answer>(path, sent)).body
}

/** As `send`, with the answer's headers, for what needs an ETag. */
export async function sendWhole<Answer = unknown>(
  path: string,
  sent: Sent = {},
): Promise<{ body: Answer; headers: Headers; status: number }> {
  const has = sent.body !== undefined
  const response = await fetch(address(withQuery(path, sent.query)), {
    method: sent.method ?? 'GET',
    credentials: 'same-origin',
    headers: { Accept: 'application/json', ...(has ? { 'Content-Type': 'application/json' } : {}), ...sent.headers, ...viewingHeaders },
    ...(has ? { body: JSON.stringify(sent.body) } : {}),
    ...(sent.signal ? { signal: sent.signal } : {}),
  })
  const text = await response.text()
  let body: unknown = null
  try {
    body = text ? JSON.parse(text) : null
  } catch {
    body = text
  }
  if (!response.ok) throw problemOf(body, response.status)
  return { body: body as Answer, headers: response.headers, status: response.status }
}

/** The path of a named thing: each part is encoded, whatever is in it. */
export function pathOf(...parts: string[]): string {
  return `/api/v1/${parts.map(encodeURIComponent).join('/')}`
}
