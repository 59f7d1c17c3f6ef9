<?php

// SPDX-FileCopyrightText: 2026 onebox.stack contributors
// SPDX-License-Identifier: GPL-3.0-or-later

declare(strict_types=1);

namespace Shop;

require __DIR__ . '/../src/bootstrap.php';

(new Web(new Services()))->answer($_SERVER['REQUEST_METHOD'], strtok($_SERVER['REQUEST_URI'], '?'));
