/** What states of access, their reasons and modes of delivery are called, and what is true of each. */
import type { Mode } from '../../api/documents'
import type { State } from './matrix'

export type Look = 'good' | 'unknown' | 'bad' | 'warning' | 'watching' | 'off'

export const STATE_WORDS: Record<State, { word: string; look: Look; about: string }> = {
  synced: { word: 'Synced', look: 'good', about: 'granted, and the pull secret holds the present version' },
  granted: { word: 'Granted', look: 'watching', about: 'granted, and nothing of it is there: not yet, or because nothing has to be' },
  stale: { word: 'Stale', look: 'warning', about: 'what is there is older than what should be, or has ended' },
  conflict: { word: 'Conflict', look: 'bad', about: 'something is in the way in the namespace' },
  masked: { word: 'Masked', look: 'off', about: 'granted by an access that a policy replaces: it does not count now' },
  needed: { word: 'Needed', look: 'warning', about: 'used here, and not granted' },
  unknown: { word: 'Unknown', look: 'unknown', about: 'granted, and nobody says now whether it is there' },
}

/** Why, as a sentence: cause, and who or what can change it. */
export const WHY_WORDS: Record<string, string> = {
  live: 'The login is in the pull secret.',
  hollow: 'The entry is there and its login is empty: nobody has to pull now.',
  behind: 'An older version is there. The agent is bringing the new one, or something keeps it from it.',
  ended: 'The delivered credential has ended. Rotate the credential of the registry.',
  'in-the-way': 'The agent cannot write the pull secret.',
  pending: 'The agent has been told, and has not said yet that it is there.',
  'no-credential': 'No credential is stored for the registry: images are pulled without signing in.',
  'nothing-to-deliver': 'The control plane has no usable credential to deliver now.',
  'no-secret': 'Nodes or workloads sign in themselves. No Secret is delivered.',
  'waits-for-workload': 'It comes as soon as a workload in the namespace uses the registry.',
  'deployment-time': 'Checked where somebody deploys through Portreeve. Nothing is delivered, and the host itself enforces nothing.',
  'system-namespace': 'Nothing of ours goes into namespaces of the cluster itself.',
  policy: 'A policy replaces the accesses of the environment. They are kept, and count again as soon as the policy goes.',
  'not-granted': 'Workloads here use the registry, and nobody has granted it.',
  'no-agent': 'No agent is enrolled in this environment, so nobody delivers and nobody tells.',
  silent: 'The agent has not come lately. What it said before does not count.',
  'not-told': 'The agent has not told yet what is in the cluster.',
}

export interface ModeWords {
  mode: Mode
  title: string
  /** How long what was delivered really is there. */
  life: string
  /** What it is for, or what it asks of the cluster. */
  use: string
}

export const MODES: ModeWords[] = [
  {
    mode: 'standing',
    title: 'Standing',
    life: 'The login is in the namespace for as long as the grant is. Tokens are renewed before they end.',
    use: 'For almost everything: it is there at each reschedule, at night, too.',
  },
  {
    mode: 'workload',
    title: 'While a workload uses it',
    life: 'The login is there while something in the namespace uses the registry, and is removed after the last.',
    use: 'For namespaces that come and go.',
  },
  {
    mode: 'lease',
    title: 'Just in time',
    life: 'The login is there while a pod has to pull, ten minutes after, an hour at most. Otherwise the entry stays and its login is empty. Whoever read it while it was there can use it until the credential itself ends.',
    use: 'For what must not lie about. Pods that always pull open it at each start.',
  },
  {
    mode: 'node',
    title: 'By the node',
    life: 'No Secret at all. Portreeve delivers nothing into the namespace.',
    use: "Only where the kubelet's credential provider is set up on every node.",
  },
  {
    mode: 'cluster-identity',
    title: "By the cluster's identity",
    life: 'No Secret at all. The cloud identity of the cluster pulls, for as long as the cloud lets it.',
    use: 'For EKS, AKS and GKE with a registry of the same cloud.',
  },
]

export function modeTitle(mode: string): string {
  return MODES.find((one) => one.mode === mode)?.title ?? mode
}

export function modeLife(mode: string): string {
  return MODES.find((one) => one.mode === mode)?.life ?? ''
}
