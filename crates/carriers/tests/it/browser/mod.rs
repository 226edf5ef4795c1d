mod leg;
