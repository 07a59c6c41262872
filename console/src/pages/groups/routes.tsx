import { createRoute, lazyRouteComponent } from '@tanstack/react-router'

import { root } from '../../root'

export const groupRoutes = [
  createRoute({ getParentRoute: () => root, path: '/groups', component: lazyRouteComponent(() => import('./Groups'), 'Groups') }),
  createRoute({ getParentRoute: () => root, path: '/groups/$name', component: lazyRouteComponent(() => import('./Group'), 'GroupPage') }),
]
