import { createRoute, lazyRouteComponent } from '@tanstack/react-router'

import { root } from '../../root'

const getParentRoute = () => root

export const imageRoutes = [
  createRoute({ getParentRoute, path: '/images', component: lazyRouteComponent(() => import('./Images'), 'Images') }),
  createRoute({ getParentRoute, path: '/images/explained', component: lazyRouteComponent(() => import('./Explained'), 'Explained') }),
]
