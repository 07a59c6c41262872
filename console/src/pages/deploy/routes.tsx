import { createRoute, lazyRouteComponent } from '@tanstack/react-router'

import { root } from '../../root'

export const deployRoutes = [
  createRoute({ getParentRoute: () => root, path: '/deploy', component: lazyRouteComponent(() => import('./Deploy'), 'Deploy') }),
]
