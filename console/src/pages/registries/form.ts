/** What the form of a registry holds, and the document that it makes. */
import { fresh } from '../../api/documents'
import { endOf } from './CredentialDialog'
import type { Claim, CredentialSpec, Method, Provider, RegistryDocument, RegistrySpec } from './model'

/** How is signed in for one purpose. `method` "" is nobody. */
export interface Signing {
  method: string
  parameters: Record<string, string>
  /** The day on which the credential ends, as a date field holds it. */
  day: string
}

export interface Entered extends Signing {
  name: string
  title: string
  provider: string
  host: string
  path: string
  project: string
  tokenRealm: string
  caBundle: string
  plainHTTP: boolean
  insecureSkipVerify: boolean
  /** A second credential, to browse and check with; the other one pulls. */
  management: Signing
}

const NOBODY: Signing = { method: '', parameters: {}, day: '' }

export const EMPTY: Entered = {
  name: '',
  title: '',
  provider: '',
  host: '',
  path: '',
  project: '',
  method: '',
  parameters: {},
  day: '',
  tokenRealm: '',
  caBundle: '',
  plainHTTP: false,
  insecureSkipVerify: false,
  management: NOBODY,
}

/** The hosts of products that have one place for everybody. */
export const HOSTS: Record<string, string> = {
  'docker-hub': 'docker.io',
  'ecr-public': 'public.ecr.aws',
  ghcr: 'ghcr.io',
  mcr: 'mcr.microsoft.com',
}

export const NAME = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/

export function methodOf(provider: Provider | undefined, name: string): Method | undefined {
  return provider?.methods.find((one) => one.name === name)
}

/** The declaration of a credential; what another method asked for does not come along. */
function declared(purpose: 'pull' | 'management', signing: Signing, provider: Provider | undefined): CredentialSpec[] {
  const method = methodOf(provider, signing.method)
  if (!method) return []
  const known = new Set(method.fields.map((field) => field.name))
  const parameters = Object.fromEntries(Object.entries(signing.parameters).filter(([name, value]) => value && known.has(name)))
  const expiresAt = endOf(signing.day)
  return [
    {
      purpose,
      method: method.name,
      ...(Object.keys(parameters).length ? { parameters } : {}),
      ...(expiresAt ? { expiresAt } : {}),
    },
  ]
}

/** The document. What was not entered is left out, so that it says no more than somebody said. */
export function documentOf(entered: Entered, provider: Provider | undefined): RegistryDocument {
  const tls = {
    ...(entered.caBundle ? { caBundle: entered.caBundle } : {}),
    ...(entered.plainHTTP ? { plainHTTP: true } : {}),
    ...(entered.insecureSkipVerify ? { insecureSkipVerify: true } : {}),
  }
  const credentials = [...declared('pull', entered, provider), ...declared('management', entered.management, provider)]
  const spec: RegistrySpec = {
    provider: entered.provider,
    host: entered.host.trim(),
    ...(entered.path.trim() ? { path: entered.path.trim() } : {}),
    ...(entered.title.trim() ? { title: entered.title.trim() } : {}),
    ...(entered.project ? { project: entered.project } : {}),
    ...(entered.tokenRealm.trim() ? { tokenRealm: entered.tokenRealm.trim() } : {}),
    ...(Object.keys(tls).length ? { tls } : {}),
    ...(credentials.length ? { credentials } : {}),
  }
  return fresh('Registry', entered.name, spec)
}

/** What is still missing, as a sentence; "" if nothing is. */
export function missingOf(entered: Entered, provider: Provider | undefined, secret: string): string {
  if (!provider) return 'Choose a provider, or paste something.'
  if (!entered.host.trim()) return 'Say which host it is.'
  if (!NAME.test(entered.name)) return 'Give it a name: lower-case letters, digits and -, at most 63.'
  const method = methodOf(provider, entered.method)
  if (!method && !provider.anonymous) return `Choose how ${provider.title} is signed in to.`
  const needed = method?.fields.find((field) => field.required && !entered.parameters[field.name])
  if (needed) return `Enter: ${needed.label}.`
  if (method && !secret) return `Enter: ${method.secret}. Without it nothing can be pulled.`
  return ''
}

/** The form after a claim was taken over. A name that somebody gave stays. */
export function claimed(entered: Entered, claim: Claim, provider: Provider | undefined, named: boolean, name: string): Entered {
  const method = provider?.methods.find((one) => one.fields.some((field) => claim.parameters[field.name])) ?? provider?.methods[0]
  return {
    ...entered,
    provider: claim.provider,
    host: claim.host,
    path: claim.path,
    method: method?.name ?? '',
    parameters: { ...claim.parameters },
    name: named ? entered.name : name,
  }
}

/** What the document says, as the form holds it. */
export function entered(document: RegistryDocument): Entered {
  const { spec } = document
  const signing = (purpose: string): Signing => {
    const one = spec.credentials?.find((other) => other.purpose === purpose)
    return { method: one?.method ?? '', parameters: { ...one?.parameters }, day: one?.expiresAt?.slice(0, 10) ?? '' }
  }
  return {
    ...EMPTY,
    name: document.metadata.name,
    title: spec.title ?? '',
    provider: spec.provider,
    host: spec.host,
    path: spec.path ?? '',
    project: spec.project ?? '',
    ...signing('pull'),
    management: signing('management'),
    tokenRealm: spec.tokenRealm ?? '',
    caBundle: spec.tls?.caBundle ?? '',
    plainHTTP: spec.tls?.plainHTTP ?? false,
    insecureSkipVerify: spec.tls?.insecureSkipVerify ?? false,
  }
}
