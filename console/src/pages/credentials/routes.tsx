import { createRoute, lazyRouteComponent } from '@tanstack/react-router'

import { root } from '../../root'

export const credentialRoutes = [
  createRoute({ getParentRoute: () => root, path: '/credentials', component: lazyRouteComponent(() => import('./Credentials'), 'Credentials') }),
]
