import { createRoute, lazyRouteComponent } from '@tanstack/react-router'

import { root } from '../../root'

export const whyRoutes = [
  createRoute({ getParentRoute: () => root, path: '/why', component: lazyRouteComponent(() => import('./Why'), 'Why') }),
]
