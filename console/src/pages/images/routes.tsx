import { createRoute, lazyRouteComponent } from '@tanstack/react-router'

import { root } from '../../root'

export const imageRoutes = [
  createRoute({ getParentRoute: () => root, path: '/images', component: lazyRouteComponent(() => import('./Images'), 'Images') }),
]
