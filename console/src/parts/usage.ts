/** How a workload uses a granted registry, in the forms in which people write it down. */
import { yaml } from './yaml'

export interface Usage {
  registry: string
  annotation: { key: string; value: string }
  pod: { apiVersion: string; kind: string; metadata: { name: string; namespace: string; annotations: Record<string, string> }; spec: unknown }
  command: string[]
  pullSecret: { name: string; type: string; content: unknown; explained: string[] }
  notes: string[]
  /** Where the reader may see it. */
  granted?: boolean
}

export type PullPolicy = 'IfNotPresent' | 'Always' | 'Never'

/** A Deployment's pod template, as it is written under `spec`. */
export function annotated({ key, value }: Usage['annotation']): string {
  return yaml({ spec: { template: { metadata: { annotations: { [key]: value } } } } })
}

/** What most charts call the same. */
export function helmValues({ key, value }: Usage['annotation']): string {
  return yaml({ podAnnotations: { [key]: value } })
}

/** A patch of Kustomize for every Deployment. */
export function kustomizePatch({ key, value }: Usage['annotation']): string {
  const patch = [{ op: 'add', path: `/spec/template/metadata/annotations/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`, value }]
  return yaml({ patches: [{ target: { kind: 'Deployment' }, patch: JSON.stringify(patch, null, 2) }] })
}

/** A workload that runs an image. Nothing of it names a secret: where the registry is granted, ServiceAccounts do. */
export function deployment(
  name: string,
  namespace: string,
  image: string,
  pullPolicy: PullPolicy,
  annotation: Usage['annotation'] | null,
): Record<string, unknown> {
  const labels = { 'app.kubernetes.io/name': name }
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace, labels },
    spec: {
      replicas: 1,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels, ...(annotation ? { annotations: { [annotation.key]: annotation.value } } : {}) },
        spec: { containers: [{ name: 'main', image, imagePullPolicy: pullPolicy }] },
      },
    },
  }
}
