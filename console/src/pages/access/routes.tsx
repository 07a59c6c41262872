import { createRoute, lazyRouteComponent } from '@tanstack/react-router'

import { root } from '../../root'

export const accessRoutes = [
  createRoute({ getParentRoute: () => root, path: '/access', component: lazyRouteComponent(() => import('./Access'), 'Access') }),
]
