/** What a draft would do, asked for while it is written. */
import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { useEffect, useState } from 'react'

import { send } from '../../api/client'
import { bare } from '../../api/documents'
import type { components } from '../../api/schema'
import type { PolicyDocument } from './draft'

type Schemas = components['schemas']
export type PolicyEffect = Schemas['PolicyEffect']
export type EffectPlace = PolicyEffect['places'][number]
export type Matched = PolicyEffect['matched'][number]
export type PrefixShown = PolicyEffect['prefixes'][number]
export type SourceRow = PolicyEffect['sources'][number]
export type Freshness = Schemas['Freshness']
export type Coverage = Schemas['PolicyCoverage']

export interface Asked {
  images?: string[]
  prefixes?: string[]
  namespace?: string
  environment?: string
}

const WAIT_MS = 300

/** A value that follows another one once it has stood still. */
export function useSettled<Value>(value: Value, wait = WAIT_MS): Value {
  const [settled, settle] = useState(value)
  const key = JSON.stringify(value)
  useEffect(() => {
    const timer = setTimeout(() => settle(value), wait)
    return () => clearTimeout(timer)
    // By what it says: a draft is a new object at each rendering.
  }, [key, wait])
  return settled
}

/** The effect of a document, and what it says of images and prefixes. The last good answer stays while one is fetched. */
export function useEffectOf(document: PolicyDocument | null, asked: Asked = {}, every = 0) {
  const question = useSettled(document && { document: bare(document), ...asked })
  return useQuery<PolicyEffect>({
    queryKey: ['effect', question],
    queryFn: ({ signal }) => send<PolicyEffect>('/api/v1/policies/effect', { method: 'POST', body: question, signal }),
    enabled: question !== null,
    placeholderData: keepPreviousData,
    retry: false,
    ...(every ? { refetchInterval: every } : {}),
  })
}
