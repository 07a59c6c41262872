/** Every area's routes. Each is loaded when it is first gone to. */
import { createRoute, createRouter, redirect } from '@tanstack/react-router'

import { prefix } from './api/place'
import { accessRoutes } from './pages/access/routes'
import { attachmentRoutes } from './pages/attachments/routes'
import { auditRoutes } from './pages/audit/routes'
import { credentialRoutes } from './pages/credentials/routes'
import { deployRoutes } from './pages/deploy/routes'
import { environmentRoutes } from './pages/environments/routes'
import { exemptionRoutes } from './pages/exemptions/routes'
import { fleetRoutes } from './pages/fleet/routes'
import { groupRoutes } from './pages/groups/routes'
import { imageRoutes } from './pages/images/routes'
import { loginRoutes } from './pages/login/routes'
import { policyRoutes } from './pages/policies/routes'
import { registryRoutes } from './pages/registries/routes'
import { settingsRoutes } from './pages/settings/routes'
import { whyRoutes } from './pages/why/routes'
import { readSearch, writeSearch } from './parts/url'
import { root } from './root'

const start = createRoute({
  getParentRoute: () => root,
  path: '/',
  beforeLoad: () => {
    throw redirect({ to: '/fleet' })
  },
})

export const router = createRouter({
  routeTree: root.addChildren([
    start,
    ...loginRoutes,
    ...fleetRoutes,
    ...registryRoutes,
    ...accessRoutes,
    ...policyRoutes,
    ...environmentRoutes,
    ...groupRoutes,
    ...attachmentRoutes,
    ...imageRoutes,
    ...deployRoutes,
    ...credentialRoutes,
    ...exemptionRoutes,
    ...auditRoutes,
    ...settingsRoutes,
    ...whyRoutes,
  ]),
  basepath: prefix || '/',
  parseSearch: readSearch,
  stringifySearch: writeSearch,
  defaultPreload: false,
  scrollRestoration: true,
})

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router
  }
}
