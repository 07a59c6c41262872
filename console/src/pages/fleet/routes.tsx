import { createRoute, lazyRouteComponent } from '@tanstack/react-router'

import { root } from '../../root'

export const fleetRoutes = [
  createRoute({ getParentRoute: () => root, path: '/fleet', component: lazyRouteComponent(() => import('./Fleet'), 'Fleet') }),
]
