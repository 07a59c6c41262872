import { createRoute, lazyRouteComponent } from '@tanstack/react-router'

import { root } from '../../root'

const getParentRoute = () => root

export const registryRoutes = [
  createRoute({ getParentRoute, path: '/registries', component: lazyRouteComponent(() => import('./Registries'), 'Registries') }),
  createRoute({ getParentRoute, path: '/registries/add', component: lazyRouteComponent(() => import('./AddRegistry'), 'AddRegistry') }),
  createRoute({ getParentRoute, path: '/registries/$name', component: lazyRouteComponent(() => import('./Registry'), 'Registry') }),
]
