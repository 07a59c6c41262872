import { createRoute, lazyRouteComponent } from '@tanstack/react-router'

import { root } from '../../root'

export const auditRoutes = [
  createRoute({ getParentRoute: () => root, path: '/audit', component: lazyRouteComponent(() => import('./Audit'), 'Audit') }),
  createRoute({ getParentRoute: () => root, path: '/audit/$sequence', component: lazyRouteComponent(() => import('./Event'), 'Event') }),
]
