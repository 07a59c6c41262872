/** Which images may be chosen, and what a workload that runs one looks like. */
import type { components } from '../../api/schema'
import { reading } from '../../parts/shell'
import { deployment, type PullPolicy, type Usage } from '../../parts/usage'
import { yaml } from '../../parts/yaml'

export type Explained = components['schemas']['Explained']

/** A registry that the reader may use in an environment. */
export interface RegistryChoice {
  registry: string
  prefix: string
  namespaces?: string[]
  mode?: string
  grant?: string
  expiresAt?: string | null
  enforcedBy: string
}

export type Choice = 'yes' | 'reported' | 'no' | 'unknown'

/** Whether the cluster would admit it: what a policy only audits passes, and is reported. */
export function choiceOf(found: Explained | undefined): Choice {
  if (!found) return 'unknown'
  if (found.verdict === null || found.verdict === 'ALLOW') return 'yes'
  if (found.stage !== 'deny' && found.stage !== null) return 'reported'
  return found.verdict === 'DENY' ? 'no' : 'unknown'
}

/** Why not, as a sentence. */
export function whyNot(found: Explained | undefined): string {
  if (!found) return 'the verdict is not known yet'
  const first = found.reasons[0]
  const nearest = found.nearest ? `; the nearest allowed source is ${found.nearest}` : ''
  return first ? `${first.message}${nearest}` : 'no reason was given'
}

export interface Chosen {
  name: string
  environment: string
  namespace: string
  registry: string
  host: string
  repository: string
  digest: string
  pullPolicy: PullPolicy
  /** Only delivery by workload needs it. */
  annotation: Usage['annotation'] | null
}

/** A name that an object may have, made of the end of a repository. */
export function workloadName(repository: string): string {
  const last = repository.split('/').pop() ?? ''
  return last.replace(/[^a-z0-9]+/g, '-').replace(/^-+|-+$/g, '').slice(0, 52) || 'app'
}

/** The workload, its digest pinned. */
export function manifest(chosen: Chosen): string {
  const image = `${chosen.host}/${chosen.repository}@${chosen.digest}`
  return yaml(deployment(chosen.name, chosen.namespace, image, chosen.pullPolicy, chosen.annotation))
}

/** The line that applies it. */
export function applied(chosen: Chosen): string {
  return reading('kubectl apply -f -', manifest(chosen))
}

/** The words by which `portreeve` shows how the image is used there. */
export function argv(chosen: Chosen): string[] {
  return [
    'use',
    chosen.registry,
    '--environment',
    chosen.environment,
    '-n',
    chosen.namespace,
    '--repository',
    chosen.repository,
    '--tag',
    chosen.digest,
    '-o',
    'yaml',
  ]
}
