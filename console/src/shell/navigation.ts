/** What people come for, in the order of the navigation; `key` goes there after `g`. */
export interface Place {
  title: string
  path: string
  key: string
  /** What is there, for the palette. */
  about: string
}

export const PLACES: Place[] = [
  { title: 'Fleet', path: '/fleet', key: 'f', about: 'groups and environments at a glance, and what to do next' },
  { title: 'Registries', path: '/registries', key: 'r', about: 'where images come from, and with which credential' },
  { title: 'Access', path: '/access', key: 'a', about: 'which namespace may pull from which registry' },
  { title: 'Policies', path: '/policies', key: 'p', about: 'which sources are allowed where' },
  { title: 'Environments', path: '/environments', key: 'e', about: 'clusters, Docker hosts and Swarms' },
  { title: 'Groups', path: '/groups', key: 'o', about: 'what policies are attached to' },
  { title: 'Images', path: '/images', key: 'i', about: 'what runs, and whether it may' },
  { title: 'Deploy', path: '/deploy', key: 'd', about: 'pick an image that will be admitted' },
  { title: 'Credentials', path: '/credentials', key: 'c', about: 'what expires when' },
  { title: 'Exemptions', path: '/exemptions', key: 'x', about: 'what is allowed for a while, by whom and why' },
  { title: 'Audit', path: '/audit', key: 'v', about: 'who did what, and the proof of it' },
  { title: 'Settings', path: '/settings', key: 's', about: 'people, roles, tokens and settings' },
]
