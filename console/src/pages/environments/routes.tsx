import { createRoute, lazyRouteComponent } from '@tanstack/react-router'

import { root } from '../../root'

export const environmentRoutes = [
  createRoute({ getParentRoute: () => root, path: '/environments', component: lazyRouteComponent(() => import('./Environments'), 'Environments') }),
  createRoute({ getParentRoute: () => root, path: '/environments/$name', component: lazyRouteComponent(() => import('./Environment'), 'EnvironmentPage') }),
]
