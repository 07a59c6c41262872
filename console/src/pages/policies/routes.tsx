import { createRoute, lazyRouteComponent } from '@tanstack/react-router'

import { root } from '../../root'

export const policyRoutes = [
  createRoute({ getParentRoute: () => root, path: '/policies', component: lazyRouteComponent(() => import('./Policies'), 'Policies') }),
]
